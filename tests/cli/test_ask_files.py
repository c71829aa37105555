"""``mata ask --json`` and ``--picture``: what the files hold."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from running import Mata

from mata_audio.asking import Asker
from mata_audio.cli.asked import share
from mata_audio.errors import WriteError
from mata_audio.methods import MATA
from mata_audio.models.loading import load
from mata_audio.settings.named import NamedSetting
from mata_audio.storage import atomic_file
from mata_audio.tiny.benchmark import make_items

ITEM = make_items("test", 30)[23]
SETTING = ("--alpha", "2", "--layers", "3-7")


@pytest.fixture
def ask(mata: Mata, tmp_path: Path) -> Mata:
    """``mata ask`` about a clip of the embedded benchmark, with further words."""
    soundfile.write(tmp_path / "a.wav", ITEM.waveform(), 16_000, subtype="FLOAT")
    return partial(mata, "ask", "tiny", ITEM.question, "--audio", tmp_path / "a.wav")


@pytest.fixture
def data(ask: Mata, tmp_path: Path) -> Any:
    outcome = ask(*SETTING, "--json", tmp_path / "asked.json")
    assert outcome.code == 0
    assert outcome.out.endswith(f"JSON       {tmp_path / 'asked.json'}\n")
    return json.loads((tmp_path / "asked.json").read_text())


def test_the_file_says_what_was_asked_of_what(data: Any, tmp_path: Path) -> None:
    assert data["model"] == {"name": "tiny", "family": "qwen2_audio"}
    assert data["question"] == ITEM.question
    own = data["setting"]
    assert (own["method"], own["alpha"], own["layers"]) == ("mata", 2.0, [3, 4, 5, 6, 7])
    assert own["description"] == "multiply, alpha 2, layers 3-7 of 0-11, all heads"
    samples = soundfile.read(tmp_path / "a.wav", dtype="float32")[0]
    digest = hashlib.sha256(b"16000 " + samples.astype("<f4").tobytes()).hexdigest()
    length = len(samples) / 16_000
    clip = {"file": str(tmp_path / "a.wav"), "seconds": length, "heard": length, "sha256": digest}
    assert data["clips"] == [clip]
    assert {"mata-audio", "torch", "transformers", "python"} <= data["versions"].keys()


def test_the_file_has_the_answers_with_everything(data: Any, tmp_path: Path) -> None:
    asker = Asker(load("tiny", device="cpu"))
    prompt = asker.prompt(ITEM.question, [asker.prompter.load_clip(tmp_path / "a.wav")])
    methods = (None, MATA(alpha=2, layers="3-7"))
    names = ("baseline", "MATA")
    layers = (3, 4, 5, 6, 7)
    assert [own["name"] for own in data["answers"]] == list(names)
    for name, method, found in zip(names, methods, data["answers"], strict=True):
        answer = asker.answer(prompt, NamedSetting(name, method))
        assert found["text"] == answer.text
        assert found["tokens"] == list(answer.tokens)
        assert [own["text"] for own in found["words"]] == [own.text for own in answer.words]
        for got, own in zip(found["first_words"], answer.first_words, strict=True):
            assert got == {"text": own.text, "probability": pytest.approx(own.probability)}
        heard = found["attention_on_audio"]
        assert heard["layers"] == list(layers)
        assert heard["answer"] == pytest.approx(share(answer, layers))
        assert heard["words"] == [pytest.approx(share(answer, layers, w)) for w in answer.words]
        assert heard["clips"] == [pytest.approx(heard["answer"])]
    baseline, steered = data["answers"]
    assert baseline["receipt"] is None
    assert steered["receipt"]["mass_after"] == pytest.approx(
        steered["attention_on_audio"]["words"][0], abs=1e-5
    )
    assert data["change"].endswith(
        f"from {100 * baseline['attention_on_audio']['answer']:.1f} % to "
        f"{100 * steered['attention_on_audio']['answer']:.1f} %."
    )


def test_a_method_without_attention_says_why(ask: Mata, tmp_path: Path) -> None:
    outcome = ask("--method", "contrast", "--json", tmp_path / "a.json")
    assert "Contrast: no attention is shown, as it compares several readings" in outcome.out
    steered = json.loads((tmp_path / "a.json").read_text())["answers"][1]
    assert steered["attention_on_audio"] is None
    assert steered["why_no_attention"].startswith("it compares several readings")


def test_one_answer_has_no_change(ask: Mata, tmp_path: Path) -> None:
    assert ask("--no-compare", "--json", tmp_path / "a.json").code == 0
    data = json.loads((tmp_path / "a.json").read_text())
    assert data["change"] is None
    assert [own["name"] for own in data["answers"]] == ["MATA"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    ask: Mata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "asked.json"
    file.write_text("old")

    def full(path: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_file.os, "fsync", full)
    outcome = ask("--json", file)
    assert outcome.code == 1
    assert "asked.json cannot be written (No space left on device)" in outcome.err
    assert issubclass(WriteError, OSError)
    assert file.read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"a.wav", "asked.json"}


def test_a_picture_of_each_clip(ask: Mata, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    second = tmp_path / "b.wav"
    soundfile.write(second, 0.1 * np.random.default_rng(0).standard_normal(3 * 16_000), 16_000)
    outcome = ask(*SETTING, "--audio", second, "--picture", tmp_path / "heard.svg")
    assert outcome.code == 0
    files = [tmp_path / "heard.svg", tmp_path / "heard_2.svg"]
    assert outcome.out.endswith("".join(f"picture    {path}\n" for path in files))
    for number, path in enumerate(files):
        texts = [own.text for own in ElementTree.parse(path).iter() if own.text]
        said = " ".join(" ".join(texts).split())
        assert f"{'ab'[number]}.wav, clip {number + 1} of 2" in said
        assert ("first 2.0 of 3.0 s" in said) == (number == 1)
        assert "mean over the answer's tokens, heads and layers 3-7" in said
        assert {"baseline", "MATA"} <= set(texts)


def test_the_ending_says_the_kind_of_picture(ask: Mata, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert ask("--picture", tmp_path / "heard.PNG").code == 0
    assert (tmp_path / "heard.PNG").read_bytes().startswith(b"\x89PNG\r\n")
