"""Every clip is deterministic, finite and within its limits."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mata_audio.tiny import make_items
from mata_audio.tiny.benchmark import MAX_SECONDS, MIN_SECONDS
from mata_audio.tiny.signals import SAMPLE_RATE, resonate, samples
from mata_audio.tiny.speech import pitch_contour
from mata_audio.tiny.tasks import DOMAINS, TASKS, TinyTask

ALL_ANSWERS = [(task, answer) for task in TASKS for answer in task.answers]


@pytest.mark.parametrize(
    ("task", "answer"), ALL_ANSWERS, ids=lambda value: getattr(value, "name", value)
)
def test_every_answer_can_be_heard(task: TinyTask, answer: str) -> None:
    first, again, other = (
        task.synthesise(np.random.default_rng(seed), answer, 1.3) for seed in (5, 5, 6)
    )
    assert first.shape == (samples(1.3),)
    assert np.isfinite(first).all()
    assert np.abs(first).max() > 0.01
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_same_seed_gives_the_same_bytes() -> None:
    for item, again in zip(make_items("test", 36), make_items("test", 36), strict=True):
        assert item == again
        assert item.waveform().tobytes() == again.waveform().tobytes()


def test_clips_are_short_loud_enough_and_never_clip() -> None:
    for item in make_items("tune", 72):
        waveform = item.waveform()
        assert waveform.dtype == np.float32
        assert MIN_SECONDS <= len(waveform) / SAMPLE_RATE <= MAX_SECONDS
        assert 0.1 < np.abs(waveform).max() < 1.0


def test_each_domain_has_four_tasks() -> None:
    assert [sum(task.domain == domain for task in TASKS) for domain in DOMAINS] == [4, 4, 4]


def test_resonator_passes_its_centre() -> None:
    time = np.arange(samples(1.0)) / SAMPLE_RATE
    inside, outside = (
        resonate(np.sin(2 * np.pi * hertz * time), 1_000, 50)[-4_000:].std()
        for hertz in (1_000, 3_000)
    )
    assert inside == pytest.approx(np.sqrt(0.5), rel=0.05)
    assert outside < 0.1 * inside


def test_a_question_rises() -> None:
    contour = pitch_contour(np.random.default_rng(0), samples(1.0), (200.0, 201.0), glide=1.0)
    assert contour[-1_000:].mean() > 1.6 * contour[:1_000].mean()


def test_benchmark_needs_no_deep_learning_library() -> None:
    program = (
        "import sys; from mata_audio.tiny import make_items; make_items('test', 1)[0].waveform(); "
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
