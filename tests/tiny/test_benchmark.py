"""The benchmark's items, splits and files."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mata_audio.evaluation.tasks.tiny import Tiny
from mata_audio.tiny import make_items, write_benchmark
from mata_audio.tiny.benchmark import CONDITIONS, DEFAULT_SIZES, SPLIT_CODES
from mata_audio.tiny.tasks import TinyTask

KEYS = {
    "id",
    "audio_id",
    "question",
    "choices",
    "answer",
    "dataset",
    "task",
    "split",
    "category",
    "sub-category",
    "difficulty",
}


def stated(task: TinyTask, question: str) -> set[str]:
    """Return the answers that a question's caption states."""
    return {
        answer
        for answer, phrases in task.captions.items()
        if any(question.startswith(f"Caption: {phrase}. ") for phrase in phrases)
    }


@pytest.mark.parametrize("split", SPLIT_CODES)
def test_items_are_balanced(split: str) -> None:
    items = make_items(split, 360)
    cells = Counter((item.condition, item.clip.task) for item in items)
    assert len(cells) == 36
    assert set(cells.values()) == {10}
    assert len({item.id for item in items}) == 360
    for task in {item.task.name: item.task for item in items}.values():
        answers = Counter(item.answer for item in items if item.clip.task == task.name)
        assert set(answers) == set(task.answers)


def test_default_size_is_balanced_and_prefixes_agree() -> None:
    assert all(size % 36 == 0 for size in DEFAULT_SIZES.values())
    assert make_items("test", 72)[:36] == make_items("test", 36)
    assert len(make_items("test")) == DEFAULT_SIZES["test"]


def test_captions_mean_what_the_condition_says() -> None:
    for item in make_items("test", 720):
        said = stated(item.task, item.question)
        assert item.answer in item.choices
        assert len(set(item.choices)) == len(item.choices) <= 4
        assert set(item.choices) <= set(item.task.answers)
        if item.condition == "no caption":
            assert said == set()
            assert item.question in item.task.questions
        elif item.condition == "caption agrees":
            assert said == {item.answer}
        else:
            (wrong,) = said
            assert wrong != item.answer
            assert wrong in item.choices


def test_captions_do_not_contain_the_answer() -> None:
    for task in {item.clip.task: item.task for item in make_items("test", 36)}.values():
        for answer, phrases in task.captions.items():
            for phrase in phrases:
                assert answer not in phrase.split()


def test_splits_share_no_audio() -> None:
    digests = {
        split: {
            hashlib.sha256(item.waveform().tobytes()).hexdigest() for item in make_items(split, 180)
        }
        for split in SPLIT_CODES
    }
    assert all(len(found) == 180 for found in digests.values())
    assert len(set.union(*digests.values())) == len(SPLIT_CODES) * 180


def test_splits_share_no_random_stream() -> None:
    seeds = [item.clip.seed for split in SPLIT_CODES for item in make_items(split, 2_000)]
    states = {np.random.SeedSequence(seed).generate_state(4).tobytes() for seed in seeds}
    assert len(states) == len(seeds)


def test_the_second_test_split_shares_no_item_clip_or_seed() -> None:
    """Whole splits, also of other seeds, whose ids could look alike (``tiny-test-2-...``)."""
    second = make_items("test-2")
    assert len(second) == DEFAULT_SIZES["test-2"] == 2_412
    assert all(item.id.startswith("tiny-test-2-0-") for item in second)
    others = [item for split in ("tune", "test") for item in make_items(split)]
    others += [item for seed in range(4) for item in make_items("test", 500, seed)]
    others += make_items("train", 5_000)
    for what in (lambda own: own.id, lambda own: own.clip.seed, lambda own: own.clip):
        assert len({what(own) for own in second}) == len(second)
        assert not {what(own) for own in second} & {what(own) for own in others}
    states = {np.random.SeedSequence(own.clip.seed).generate_state(4).tobytes() for own in second}
    assert len(states) == len(second)
    for own in others:
        assert np.random.SeedSequence(own.clip.seed).generate_state(4).tobytes() not in states


def test_nothing_runs_the_second_test_split_by_default() -> None:
    assert Tiny.splits[0] == "test"
    assert {item.split for item in make_items("test", 36)} == {"test"}
    found = Tiny().load(None, "test-2")
    assert {item.id for item in found.items} == {item.id for item in make_items("test-2")}
    assert set(found.files.values()).isdisjoint(Tiny().load(None, "test").files.values())


def test_files_are_in_mmau_format(tmp_path: Path) -> None:
    items = make_items("test", 36)
    path = write_benchmark(tmp_path / "bench", items)
    records = json.loads(path.read_text(encoding="utf-8"))
    assert [record["id"] for record in records] == [item.id for item in items]
    for record, item in zip(records, items, strict=True):
        assert set(record) == KEYS
        assert record["answer"] in record["choices"]
        assert record["task"] in ("sound", "music", "speech")
        assert record["sub-category"] in CONDITIONS
        assert record["difficulty"] in ("easy", "medium", "hard")
        audio, rate = soundfile.read(path.parent / record["audio_id"], dtype="float32")
        assert rate == 16_000
        assert audio.ndim == 1
        np.testing.assert_allclose(audio, item.waveform(), atol=2**-15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("validation",), "train, tune, test, test-2"),
        (("test", 0), "at least 1"),
        (("test", 1, -1), "negative"),
    ],
)
def test_bad_arguments_are_explained(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_items(*arguments)
