"""The embedded benchmark needs no data and is always the same."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from mata_audio.errors import ScoringError, SettingsError
from mata_audio.evaluation.tasks import task_named
from mata_audio.tiny import make_items

TINY = task_named("tiny")


def test_items_are_those_of_the_generator() -> None:
    dataset = TINY.load(None, "tune")
    made = make_items("tune", 3)
    assert len(dataset.items) == 2160
    assert [item.id for item in dataset.items[:3]] == [item.id for item in made]
    assert {item.groups["sub-category"] for item in dataset.items} == set(TINY.groupings[0].names)
    assert {item.groups["task"] for item in dataset.items} == {"sound", "music", "speech"}
    assert dataset.items[0].record["sub-category"] == made[0].condition
    (clip,) = dataset.items[0].audio
    heard, rate = soundfile.read(io.BytesIO(clip.read()), dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(heard, made[0].waveform(), atol=2**-15)
    assert clip.name == f"{made[0].id}.wav"


def test_a_changed_generator_is_noticed() -> None:
    """This sum changes only with the questions; runs before and after are then not comparable."""
    assert TINY.load(None, "tune").files == {
        "tiny-tune": "94a559925bc7ca93c03646df133e49473a2904b22c97cfdd7e7180523bb76957"
    }


def test_outcomes_ignore_case_spaces_and_final_punctuation() -> None:
    records = [{"prediction": said, "answer": "bell"} for said in (" Bell. ", "a bell", "")]
    assert TINY.outcomes(records) == [True, False, False]
    assert TINY.official_script is None
    with pytest.raises(ScoringError, match="record 1: prediction is missing"):
        TINY.outcomes([{"answer": "bell"}])


def test_data_and_unknown_splits_are_refused() -> None:
    with pytest.raises(SettingsError, match="allowed are test, tune"):
        TINY.load(None, "train")
    with pytest.raises(SettingsError, match="makes its own data; leave out somewhere"):
        TINY.load("somewhere", "test")
