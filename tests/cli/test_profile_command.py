"""``mata profile``: what it prints, draws and writes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from running import Mata, error_line

from mata_audio import MATA
from mata_audio.evaluation import evaluate
from mata_audio.methods import Method
from mata_audio.profiling import Profile
from mata_audio.settings.colours import BASELINE_COLOUR, COLOURS
from mata_audio.settings.named import NamedSetting
from mata_audio.tiny import MODEL_PATH, make_items
from paper_data import write_mmau


@pytest.fixture
def profiled(mata: Mata) -> Mata:
    """``mata profile``, with further words."""
    return partial(mata, "profile")


PICTURES = ("mass_by_layer", "layer_head_map", "listening", "words")
TINY = ("tiny", "--task", "tiny", "--items", "6")


def test_embedded_model(profiled: Mata, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    outcome = profiled(*TINY, "--new-tokens", "1", "--json", file)
    assert outcome.code == 0
    assert "tiny on tiny test: 6 items" in outcome.out
    assert "off: baseline, on: MATA (multiply, alpha 2, layers 3-7 of 0-11" in outcome.out
    header = next(line for line in outcome.out.splitlines() if line.startswith("layer"))
    kinds = ["audio", "instruction", "generated", "special", "sink"]
    assert header.split() == ["layer", *kinds, "imbalance", "A", "<", "0"]
    rows = [line.split() for line in outcome.out.splitlines() if line[:5].strip().isdigit()]
    assert [row[0] for row in rows] == [str(layer) for layer in range(12)]
    assert max(len(line) for line in outcome.out.splitlines()) <= 100

    found = Profile.load(file)
    assert found.items == 6
    assert found.facts.items() >= {"model": "tiny", "task": "tiny", "failed": {}}.items()
    before, after = found.attention["baseline"], found.attention["MATA"]
    np.testing.assert_allclose(before.mean.sum(2), 1, atol=1e-6)
    np.testing.assert_array_equal(before.mean[:3], after.mean[:3])  # below the steered layers
    assert (before.mean[3] != after.mean[3]).any()
    audio = 100 * before.of("audio", found.kinds)
    assert [float(row[1]) for row in rows] == pytest.approx(audio.tolist(), abs=0.051)
    assert [float(row[-3]) for row in rows] == pytest.approx(after.imbalance.tolist(), abs=0.0051)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The figures that are saved, by name of the file."""
    pytest.importorskip("matplotlib")
    from mata_audio import pictures

    figures: dict[str, Any] = {}
    real = pictures.save

    def save(figure: Any, path: Path) -> list[Path]:
        figures[path.name] = figure
        return real(figure, path)

    monkeypatch.setattr(pictures, "save", save)
    return figures


def test_pictures_show_what_was_measured(
    profiled: Mata, kept: dict[str, Any], tmp_path: Path
) -> None:
    file, folder = tmp_path / "profile.json", tmp_path / "new" / "pictures"
    outcome = profiled(*TINY, "--json", file, "--pictures", folder)
    names = {f"{own}.{form}" for own in PICTURES for form in ("svg", "png")}
    assert {path.name for path in folder.iterdir()} == names
    printed = [folder / line for line in outcome.out.splitlines() if line.startswith(str(folder))]
    assert {path.name for path in printed} == names

    found = Profile.load(file)
    before, after = (found.attention[name] for name in ("baseline", "MATA"))
    by_layer = kept["mass_by_layer"].axes[0]
    for line, own in zip(by_layer.lines, (before, after), strict=True):
        np.testing.assert_allclose(line.get_ydata(), 100 * own.of("audio", found.kinds))
    assert [(p.get_x(), p.get_width()) for p in by_layer.patches] == [(2.5, 5)]
    change = 100 * (after.mean - before.mean)[:, :, found.kinds.index("audio")]
    drawn = kept["layer_head_map"].axes[1].images[0].get_array()
    np.testing.assert_allclose(drawn, change, atol=1e-9)


def test_one_items_clip_is_drawn_over_time(
    profiled: Mata, kept: dict[str, Any], tmp_path: Path
) -> None:
    items = make_items("test", 9)
    assert items[8].id not in [item.id for item in items[:6]]
    for words, item in (((), items[0]), (("--listen", items[8].id), items[8])):
        profiled(*TINY, "--pictures", tmp_path, *words)
        top, _, bottom = kept["listening"].axes
        assert top.get_title(loc="left").replace("\n", " ").startswith(f"{item.id}: ")
        heard = item.waveform()
        assert bottom.get_xlim() == pytest.approx((0, len(heard) / 16_000))
        lowest = min(path.vertices[:, 1].min() for path in top.collections[0].get_paths())
        assert lowest == pytest.approx(heard.min(), abs=1e-4)
        plain, steered = (p.get_data().values for p in bottom.patches if not p.get_fill())
        assert 0 < plain.sum() <= 100
        assert abs(plain - steered).max() > 0.01


def test_pictures_of_the_baseline_alone(
    profiled: Mata, kept: dict[str, Any], tmp_path: Path
) -> None:
    profiled(*TINY, "--baseline-only", "--pictures", tmp_path)
    assert len(kept["mass_by_layer"].axes[0].lines) == 1
    assert "all layers" in kept["listening"].legends[0].get_title().get_text()


def test_each_of_several_clips_is_drawn(
    profiled: Mata, kept: dict[str, Any], qwen2_audio_folder: Path, tmp_path: Path
) -> None:
    for name, seconds in (("long", 3), ("short", 1)):
        noise = 0.1 * np.random.default_rng(seconds).standard_normal(seconds * 8_000)
        soundfile.write(tmp_path / f"{name}.wav", noise, 8_000)
    record = {"id": "two", "question": "Same?", "audio": ["long.wav", "short.wav"]}
    (tmp_path / "questions.jsonl").write_text(json.dumps(record))
    data = ("--task", "jsonl", "--data", tmp_path, "--layers", "0", "--alpha", "1")
    profiled(qwen2_audio_folder, *data, "--pictures", tmp_path / "pictures")
    cut = ", first 2.0 of 3.0 s"  # what this model can hear
    for name, clip, seconds in (("listening", f"1 of 2{cut}", 2.0), ("listening_2", "2 of 2", 1.0)):
        top, _, bottom = kept[name].axes
        assert top.get_title(loc="left") == f"two, clip {clip}: Same?"
        assert bottom.get_xlim()[1] == pytest.approx(seconds, abs=0.05)
        strip, *panels = kept[name.replace("listening", "words")].axes
        assert strip.get_title(loc="left") == top.get_title(loc="left")
        assert len(panels) == 2
        ends = panels[0].collections[0].get_coordinates()[0, :, 0]
        assert (ends[0], ends[-1]) == pytest.approx((0, seconds), abs=0.05)


def test_words_are_the_runs_answer_with_what_its_tokens_gave_the_audio(
    profiled: Mata, kept: dict[str, Any], tmp_path: Path
) -> None:
    """A one-word answer's share is the last prompt token's in the profile of that item."""
    setting = NamedSetting("MATA", Method.load(MODEL_PATH / "mata.json"))
    found = evaluate("tiny", "tiny", tmp_path / "run", settings=[setting], limit=1)
    answers = {name: own.raw for name, own in found.items[0].answers.items()}
    file = tmp_path / "profile.json"
    words = ("tiny", "--task", "tiny", "--items", "1", "--json", file, "--pictures", tmp_path)
    outcome = profiled(*words)
    said = outcome.out.split("on audio, mean over heads and the steered layers, in %\n")[1]
    rows = [line.split() for line in said.split("\n\n")[0].splitlines()]
    made = Profile.load(file)
    audio = made.kinds.index("audio")
    expected = {
        name: 100 * made.attention[name].mean[3:8, :, audio].mean() for name in ("baseline", "MATA")
    }
    assert [row[:2] for row in rows] == [[name, answers[name].strip()] for name in expected]
    assert [float(row[2]) for row in rows] == pytest.approx([*expected.values()], abs=0.051)
    for axes, name in zip(kept["words"].axes[1:], expected, strict=True):
        assert [own.get_text() for own in axes.get_yticklabels()] == [answers[name].strip()]
        drawn = axes.collections[0].get_array()
        assert drawn.sum() == pytest.approx(expected[name], rel=1e-3)


def test_pictures_in_a_runs_folder_have_the_runs_colours(
    profiled: Mata, kept: dict[str, Any], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    two = [NamedSetting("one", MATA(alpha=1, layers="3-7")), NamedSetting("two", MATA(alpha=2))]
    evaluate("tiny", "tiny", run, settings=two, limit=2)
    three = "three:alpha=3 layers=3-7"
    for folder, first, colours in (
        (tmp_path / "elsewhere", "two:alpha=2", COLOURS[:2]),
        (run / "pictures", "two:alpha=2", (COLOURS[1], COLOURS[2])),
        (run / "pictures", "two:alpha=1 layers=0", COLOURS[2:4]),  # another with its name
    ):
        words = ("--setting", first, "--setting", three, "--pictures", folder)
        assert profiled("tiny", "--task", "tiny", "--items", "1", *words).code == 0
        lines = kept["mass_by_layer"].axes[0].lines
        assert [line.get_color() for line in lines] == [BASELINE_COLOUR, *colours]
        titles = [axes._left_title.get_color() for axes in kept["words"].axes[1:]]
        assert titles == [BASELINE_COLOUR, *colours]


@pytest.mark.usefixtures("without_matplotlib")
def test_without_matplotlib_it_is_said_before_the_model_is_loaded(
    profiled: Mata, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("mata_audio.evaluation.running.executor.loaded_model", pytest.fail)
    outcome = profiled(*TINY, "--pictures", tmp_path / "pictures")
    assert outcome.code == 1
    assert "pip install 'mata-audio[pictures]'" in error_line(outcome)
    assert not list(tmp_path.iterdir())


def test_settings_and_baseline_alone(profiled: Mata) -> None:
    two = profiled(*TINY, "--setting", "alpha=0.5 layers=2", "--setting", "alpha=0.5 layers=3")
    assert two.out.count("off: baseline, on: ") == 2
    alone = profiled(*TINY, "--baseline-only")
    assert "off: " not in alone.out
    assert "\nbaseline\nlayer " in alone.out


def test_items_that_cannot_be_read_are_left_out(
    profiled: Mata, qwen2_audio_folder: Path, tmp_path: Path
) -> None:
    data = write_mmau(tmp_path / "MMAU", n=3)
    clips = sorted((data / "test-mini").glob("*.wav"))
    clips[0].write_bytes(b"")
    words = (qwen2_audio_folder, "--task", "mmau", "--data", data, "--baseline-only")
    outcome = profiled(*words, "--pictures", tmp_path / "pictures")
    assert "mmau test-mini: 2 items" in outcome.out
    first = json.loads((data / "mmau-test-mini.json").read_text())[1]["id"]
    assert first in (tmp_path / "pictures" / "listening.svg").read_text("utf-8")
    assert "is left out: AudioError" in outcome.err
    for clip in clips:
        clip.write_bytes(b"")
    outcome = profiled(*words)
    assert outcome.code == 1
    assert "not one of the items" in error_line(outcome)
