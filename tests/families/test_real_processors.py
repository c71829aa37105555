"""What a family's own processor makes of text and sound is steered exactly, too."""

from __future__ import annotations

import pytest

from families.full_scores import Setting
from families.subjects import subject_of
from families.test_exactness_of_families import assert_generated_exactly
from mata_audio.small_models import MODEL_TYPES, small_model
from mata_audio.small_models.processing import PROCESSINGS


def test_processors_are_of_known_families() -> None:
    assert set(PROCESSINGS) < set(MODEL_TYPES)
    assert small_model("gemma4").processing is None


@pytest.mark.parametrize("model_type", PROCESSINGS)
def test_generation(model_type: str) -> None:
    subject = subject_of(model_type)
    processing = subject.small.processing
    assert processing is not None
    assert type(processing.processor).__module__.startswith("transformers.models.")
    questions = subject.small.questions[:2]
    if processing.one_clip:
        questions = [question._replace(clips=question.clips[:1]) for question in questions]
    inputs = processing.inputs(questions)
    heard = (inputs["input_ids"] == subject.small.audio_token_id).sum(1).tolist()
    assert heard == [sum(question.clips) for question in questions]
    assert_generated_exactly(subject, inputs, Setting(subject.layers))
