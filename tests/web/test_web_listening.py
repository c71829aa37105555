"""What the page does, without a browser: examples, clips, settings, silence, the saved page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from mata_audio import MATA, SettingsError
from mata_audio.asking import Asker
from mata_audio.errors import AudioError, MataError
from mata_audio.methods import Mass
from mata_audio.models.loading import Loaded, load
from mata_audio.settings.embedded import BEST as BEST_HERE
from mata_audio.tiny import MODEL_PATH
from mata_audio.web import listening as listening_module
from mata_audio.web.examples import BEST, EXAMPLES, Example
from mata_audio.web.listening import Listening
from mata_audio.web.starting_points import controlled, controls_of, from_file, starting_points
from mata_audio.web.visits import MOST_VISITS, Visit, Visits

OWN = MATA.load(MODEL_PATH / "mata.json")


@pytest.fixture(scope="module")
def tiny() -> Loaded:
    return load("tiny", device="cpu")


@pytest.fixture
def page(tiny: Loaded) -> Listening:
    return Listening(Asker(tiny), max_new_tokens=8)


@pytest.fixture
def visit(page: Listening) -> Visit:
    """A tab that has the first example and its answers."""
    visit = Visit()
    page.take_example(visit, EXAMPLES[0])
    page.ask(visit, EXAMPLES[0].item.question, EXAMPLES[0].item.choices, OWN)
    return visit


def answers(data: dict[str, Any]) -> dict[str, str]:
    return {answer["kind"]: answer["text"] for answer in data["answers"]}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda own: own.name)
def test_examples_show_what_their_names_say(page: Listening, example: Example) -> None:
    visit = Visit()
    page.take_example(visit, example)
    item = example.item
    method = BEST_HERE if example.setting == BEST else OWN
    data = page.ask(visit, item.question, item.choices, method)
    said = {answer["kind"]: answer["correct"] for answer in data["answers"]}
    assert said == {"baseline": example.baseline, "steered": example.steered}
    assert data["right"] == item.answer
    captioned = "aption" in example.name and "no caption" not in example.name
    assert captioned <= item.question.startswith("Caption: ")
    assert ("no caption" in example.name) <= ("Caption" not in item.question)


def test_a_dozen_examples_among_them_gains_and_a_loss() -> None:
    assert len(EXAMPLES) == len({example.name for example in EXAMPLES}) == 12
    outcomes = [(example.baseline, example.steered) for example in EXAMPLES]
    assert outcomes.count((False, True)) >= 1
    assert (True, False) in outcomes


def test_moving_alpha_reads_neither_clip_nor_question_again(page: Listening) -> None:
    visit = Visit()
    page.take_example(visit, EXAMPLES[0])
    question = EXAMPLES[0].item.question
    likely = set()
    for alpha in (0.0, 0.5, 1.0, 2.0, 4.0):
        data = page.ask(visit, question, [], replace(OWN, alpha=alpha))
        likely.add(str(data["answers"][1]["first_words"]))
        fresh = Listening(Asker(page.asker.loaded), max_new_tokens=8)
        other = Visit()
        fresh.take_example(other, EXAMPLES[0])
        assert fresh.ask(other, question, [], replace(OWN, alpha=alpha)) == data
    assert len(likely) == 5
    assert page.asker.kept.read == 1


def test_alpha_zero_is_the_baseline(page: Listening, visit: Visit) -> None:
    data = page.ask(visit, EXAMPLES[0].item.question, [], replace(OWN, alpha=0.0))
    baseline, steered = data["answers"]
    for name in ("text", "first_words", "by_word", "maps"):
        assert steered[name] == baseline[name]


def test_the_silenced_stretch_is_silent_and_nothing_else(page: Listening, visit: Visit) -> None:
    assert visit.clip is not None
    before = visit.clip.samples.copy()
    data = page.silence(visit, 0.25, 0.75)
    assert [a["kind"] for a in data["answers"]] == [
        "baseline", "steered", "probe-baseline", "probe-steered",
    ]  # fmt: skip
    assert "0.25 to 0.75 s silent" in data["answers"][2]["name"]
    heard = visit.prompts[True].clips[0].samples
    assert not heard[4_000:12_000].any()
    assert np.array_equal(heard[:4_000], before[:4_000])
    assert np.array_equal(heard[12_000:], before[12_000:])
    assert np.array_equal(visit.clip.samples, before)
    assert data["answers"][0]["first_words"] != data["answers"][2]["first_words"]
    moved = page.ask(visit, EXAMPLES[0].item.question, [], replace(OWN, alpha=1.0))
    assert len(moved["answers"]) == 4  # the probe stays while a setting is moved
    assert moved["answers"][3]["first_words"] != data["answers"][3]["first_words"]
    assert moved["answers"][2] == data["answers"][2]
    visit.forget_silence()
    assert len(page.view(visit)["answers"]) == 2


def test_silencing_everything_is_what_silence_gives(page: Listening, visit: Visit) -> None:
    assert visit.clip is not None
    data = page.silence(visit, 0.0, visit.clip.heard)
    other = Visit()
    page.take_example(other, EXAMPLES[0])
    assert other.clip is not None
    other.clip = replace(other.clip, samples=np.zeros_like(other.clip.samples))
    silent = page.ask(other, EXAMPLES[0].item.question, [], OWN)
    found = [a["first_words"] for a in data["answers"][2:]]
    assert found == [a["first_words"] for a in silent["answers"]]


@pytest.mark.parametrize(
    ("start", "end"), [(0.5, 0.5), (-1.0, 1.0), (0.0, 60.0), (float("nan"), 1)]
)
def test_stretches_outside_the_clip_are_refused(
    page: Listening, visit: Visit, start: float, end: float
) -> None:
    with pytest.raises(SettingsError, match="mark a stretch between 0 and"):
        page.silence(visit, start, end)
    assert visit.silenced is None


def test_layers_and_heads_that_are_chosen(page: Listening, visit: Visit) -> None:
    first = page.view(visit)
    assert first["chosen"]["layers"] == [3, 4, 5, 6, 7]  # those that the setting steers
    heard = visit.steered[False].heard
    assert heard is not None
    data = page.choose(visit, [5], [1, 2])
    expected = heard.weights[0, 5, 1:3].mean(axis=0)
    assert data["answers"][1]["by_word"][0] == pytest.approx(expected, rel=1e-3)
    assert page.choose(visit, None, None)["chosen"] == {"layers": None, "heads": None}
    for layers, heads in (([99], None), ([], None), ("3", None), (None, [True]), (None, [-1])):
        with pytest.raises(SettingsError, match="must be some of 0-"):
            page.choose(visit, layers, heads)


def test_nothing_can_be_done_before_there_is_a_clip_and_a_question(page: Listening) -> None:
    visit = Visit()
    with pytest.raises(AudioError, match="no clip yet"):
        page.ask(visit, "What?", [], OWN)
    page.take_example(visit, EXAMPLES[0])
    for act in (lambda: page.choose(visit, [1], None), lambda: page.silence(visit, 0, 1)):
        with pytest.raises(SettingsError, match="ask a question first"):
            act()
    with pytest.raises(SettingsError, match="nothing to save"):
        page.page(visit)
    with pytest.raises(SettingsError, match="question is empty"):
        page.ask(visit, "   ", [], OWN)


def test_another_clip_forgets_the_answers(page: Listening, visit: Visit) -> None:
    page.silence(visit, 0.25, 0.5)
    page.take_example(visit, EXAMPLES[3])
    assert (visit.prompts, visit.steered, visit.silenced) == ({}, {}, None)
    data = page.ask(visit, EXAMPLES[3].item.question, [], OWN)
    assert len(data["answers"]) == 2


def test_long_clips_are_heard_from_the_start_and_endless_ones_refused(
    page: Listening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).normal(size=16_000 * 5) / 10
    soundfile.write(tmp_path / "five.wav", noise, 16_000)
    visit = Visit()
    said = page.take_file(visit, tmp_path / "five.wav")
    limit = page.asker.prompter.limits.longest
    assert limit is not None
    assert limit < 5
    assert said == f"five.wav: 5.00 s; the model hears the first {limit:.2f} s"
    monkeypatch.setattr(listening_module, "MOST_SECONDS", 4.0)
    with pytest.raises(
        AudioError, match=r"five\.wav is too long: 5 s; a clip may have at most 4 s"
    ):
        page.take_file(visit, tmp_path / "five.wav")
    assert visit.name == "five.wav"  # what was there stays
    soundfile.write(tmp_path / "still.wav", np.zeros(16_000), 16_000)
    assert page.take_file(visit, tmp_path / "still.wav").endswith(
        "it is silent: every sample is zero"
    )


def test_the_hour_of_silence_is_refused_before_it_is_decoded(
    page: Listening, tmp_path: Path
) -> None:
    with soundfile.SoundFile(tmp_path / "hour.flac", "w", 8_000, 1) as file:
        for _ in range(61):
            file.write(np.zeros(8_000 * 60))
    with pytest.raises(AudioError, match=r"hour\.flac is too long: 3,660 s \(61 minutes\)"):
        page.take_file(Visit(), tmp_path / "hour.flac")


def test_a_setting_that_fails_leaves_what_was_shown(page: Listening, visit: Visit) -> None:
    page.silence(visit, 0.25, 0.5)
    before = page.view(visit)
    with pytest.raises(SettingsError, match="layer"):
        page.ask(visit, EXAMPLES[0].item.question, [], MATA(alpha=1.0, layers=[50]))
    assert page.view(visit) == before


def test_the_saved_page_holds_the_view(page: Listening, visit: Visit) -> None:
    content = page.page(visit)
    assert content.startswith("<!DOCTYPE html>")
    assert "Is this a high or a low voice?" in content
    assert "data:audio/wav;base64," in content


def test_settings_to_start_from(tiny: Loaded, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    Mass(alpha=0.5, layers="2-4").save(file)
    points = starting_points(tiny, MODEL_PATH, [file])
    names = list(points)
    assert points[names[0]].method == OWN
    assert points[names[1]].method == Mass(alpha=0.5, layers="2-4")
    assert "file mine.json" in names[1]
    assert points[names[2]].method == BEST_HERE
    methods = [point.method.name for point in points.values()]
    assert {"contrast", "vcd", "adaptvis", "value", "pai"} <= set(methods)
    assert {"gacl", "changes"}.isdisjoint(methods)  # what they need cannot be given here
    assert not any("10-20" in name for name in names)  # the embedded model has 12 layers
    (tmp_path / "deep.json").write_text(json.dumps({"alpha": 1.0, "layers": "10-20"}))
    for wrong in (tmp_path / "deep.json", tmp_path / "none.json"):
        with pytest.raises((MataError, FileNotFoundError)):
            starting_points(tiny, MODEL_PATH, [wrong])
    with pytest.raises(SettingsError, match="layer"):
        from_file(tiny, tmp_path / "deep.json")


def test_every_starting_point_answers(page: Listening, visit: Visit) -> None:
    for point in starting_points(page.asker.loaded, MODEL_PATH).values():
        data = page.ask(visit, EXAMPLES[0].item.question, [], point.method)
        assert data["answers"][1]["text"]
        shown = bool(data["answers"][1]["by_word"])
        assert shown != bool(data["answers"][1]["why_not"])


def test_controls_write_and_read_a_setting() -> None:
    values = controls_of(OWN)
    assert values == {
        "alpha": 2.0, "layers": "3-7", "heads": "all", "formula": "multiply", "rows": "last",
    }  # fmt: skip
    assert controlled(OWN, values) == OWN
    moved = controlled(OWN, {**values, "alpha": 1, "layers": "paper", "heads": "0-1"})
    assert moved == MATA(alpha=1, layers=None, heads="0-1")
    assert "formula" not in controls_of(BEST_HERE)
    assert controlled(BEST_HERE, {"formula": "add", "alpha": 1.0}) == replace(BEST_HERE, alpha=1.0)
    gains = MATA(gains=[[1.0] * 4] * 12)
    assert controls_of(gains) == {}
    assert controlled(gains, values) == gains
    for name, wrong in (("layers", "banana"), ("rows", "first"), ("heads", "x"), ("alpha", None)):
        with pytest.raises(MataError):
            controlled(OWN, {**values, name: wrong})


def test_tabs_are_apart_and_end() -> None:
    visits = Visits()
    one, two = visits.of("one"), visits.of("two")
    one.name = "mine.wav"
    assert two.name == ""
    assert visits.of("one") is one
    visits.end("one")
    assert visits.of("one").name == ""
    for number in range(2 * MOST_VISITS):
        visits.of(str(number))
    assert len(visits) == MOST_VISITS


def test_choices_are_asked_as_the_benchmarks_do(qwen2_audio_folder: Path) -> None:
    page = Listening(Asker(load(qwen2_audio_folder, device="cpu")), max_new_tokens=2)
    visit = Visit()
    page.take_example(visit, EXAMPLES[0])
    data = page.ask(visit, "High or low?", ["high", "low"], MATA(alpha=1, layers=[1]))
    assert data["question"] != "High or low?"
    assert all(choice in data["question"] for choice in ("High or low?", "high", "low"))
    assert page.ask(visit, "High or low?", [], MATA(alpha=1, layers=[1]))["question"] == (
        "High or low?"
    )
