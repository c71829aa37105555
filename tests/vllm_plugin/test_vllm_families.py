"""Every audio family that vLLM and this package share is steered as Transformers steers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from families.processing import processing_of
from vllm_plugin.asking import CLIP, Question, question

pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")

FAMILIES = (
    "qwen2_5_omni",
    "qwen3_omni_moe",
    "audioflamingo3",
    "glmasr",
    "granite_speech",
    "granite_speech_plus",
)
SETTINGS = (None, "alpha=2 layers=1-3", "alpha=1 layers=0-2 formula=mass", "alpha=1 rows=last-3")


@pytest.mark.parametrize("family", FAMILIES)
def test_family(
    family: str,
    engine: Callable[..., Any],
    folder: Callable[[str], Path],
    transformers_answers: Any,
) -> None:
    mark = processing_of(family).placeholder
    asked = [
        replace(own, text=own.text.replace(CLIP, mark))
        for own in (question(number + 5, setting) for number, setting in enumerate(SETTINGS))
    ]
    asked.append(Question("w5 w6 w7 w8"))
    # One after the other: some encoders hear the padding of shorter clips beside longer ones.
    found = engine(folder(family), *([own] for own in asked), limit_mm_per_prompt={"audio": 1})
    answers = [own for (own,) in found["answers"]]
    steered = 0
    for own, own_question in zip(answers, asked, strict=True):
        expected = transformers_answers(folder(family), own_question)
        assert own["ids"] == expected["ids"]
        assert own["tokens"] == expected["tokens"]
        assert own["logprobs"] == pytest.approx(expected["logprobs"], abs=2e-4)
        plain = transformers_answers(folder(family), replace(own_question, setting=None))
        steered += plain["logprobs"] != pytest.approx(expected["logprobs"], abs=2e-4)
    assert steered == 3
