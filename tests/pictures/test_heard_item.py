"""An item that is asked for its pictures: the run's prompt, and the run's answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mata_audio import MATA
from mata_audio.errors import RunError
from mata_audio.evaluation import evaluate
from mata_audio.evaluation.running.executor import loaded_model
from mata_audio.evaluation.running.plan import Options, make_plan
from mata_audio.pictures.of_profile import heard_item
from mata_audio.settings.named import NamedSetting

SETTINGS = [NamedSetting("MATA", MATA(alpha=2, layers="0"))]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Three questions, one about two clips; the last about a file that is empty."""
    for seconds, name in enumerate(("a", "b", "c"), 1):
        noise = 0.1 * np.random.default_rng(seconds).standard_normal(seconds * 16_000)
        soundfile.write(tmp_path / f"{name}.wav", noise, 16_000)
    (tmp_path / "empty.wav").write_bytes(b"")
    records = [
        {"id": "one", "question": "What is it?", "choices": ["rain", "a dog"], "audio": "a.wav"},
        {"id": "two", "question": "Are they the same?", "audio": ["b.wav", "c.wav"]},
        {"id": "empty", "question": "What?", "audio": "empty.wav"},
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, records)))
    return tmp_path


def test_answers_are_those_of_a_run(qwen2_audio_folder: Path, questions: Path) -> None:
    """A random model's, of many tokens, with the template's wording of the choices."""
    options = {"max_new_tokens": 24, "batch_size": 1}
    found = evaluate(
        str(qwen2_audio_folder), "jsonl", questions / "run", data=str(questions),
        settings=SETTINGS, **options,
    )  # type: ignore[arg-type] # fmt: skip
    plan = make_plan(
        str(qwen2_audio_folder), "jsonl", str(questions), SETTINGS, Options(**options)
    )  # type: ignore[arg-type] # fmt: skip
    loaded = loaded_model(plan)
    raw = {own.id: {name: one.raw for name, one in own.answers.items()} for own in found.items}
    changed = 0
    for item in plan.items[:2]:
        heard = heard_item(plan, loaded, item)
        assert {own.name: own.text for own in heard.answers} == {
            name: text.strip() for name, text in raw[item.id].items()
        }
        assert len(heard.clips) == len(item.audio)
        for answer in heard.answers:
            assert answer.heard is not None
            assert set(answer.heard.clips) == set(range(len(item.audio)))
            assert len(answer.tokens) > 4
            assert "".join(word.text for word in answer.words).strip() == answer.text
        changed += heard.answers[0].text != heard.answers[1].text
        assert heard.steered == (0,)
    assert changed
    with pytest.raises(RunError, match="empty cannot be drawn: AudioError"):
        heard_item(plan, loaded, plan.items[2])
