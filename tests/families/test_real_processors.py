"""Steering is also exact on the inputs that a family's real processor makes."""

from __future__ import annotations

import pytest

from families.folders import FOLDERS
from families.processing import PROCESSINGS, processing_of
from families.subjects import subject_of
from families.test_exactness_of_families import assert_generated_exactly
from mata_audio.doctor.small_models import MODEL_TYPES
from reference import Steering


def test_every_audio_family_has_a_real_processor() -> None:
    assert set(FOLDERS) == set(MODEL_TYPES)


@pytest.mark.parametrize("model_type", PROCESSINGS)
def test_generation(model_type: str) -> None:
    subject = subject_of(model_type)
    processing = processing_of(model_type)
    assert type(processing.processor).__module__.startswith("transformers.models.")
    questions = subject.small.questions[:2]
    if processing.one_clip:
        questions = [question._replace(clips=question.clips[:1]) for question in questions]
    inputs = processing.inputs(questions)
    heard = (inputs["input_ids"] == subject.small.audio_token_id).sum(1).tolist()
    assert heard == [sum(question.clips) for question in questions]
    assert_generated_exactly(subject, inputs, Steering(subject.layers))
