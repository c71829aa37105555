"""vLLM's answers are those of Transformers, whatever else the engine does at the same time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vllm_plugin.asking import Question, question

pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")

MODEL = "qwen2_audio"

SETTINGS = (
    None,
    "alpha=2 layers=1-3",
    "alpha=1 layers=0-1 formula=mass",
    "alpha=-0.9 layers=2",
    "alpha=1.5 layers=all rows=all",
    "method=vaf layers=0-2",
    "alpha=1 layers=1-2 formula=value heads=1",
    "alpha=2 layers=0,2 rows=last-4",
)
"""Unsteered, and settings that differ in strength, layers, heads, rows, formula and method."""

MIXED = [question(number, setting) for number, setting in enumerate(SETTINGS)]
MIXED[3] = question(3, SETTINGS[3], clips=2)
TEXT = Question("w5 w6 w7 w8 w9 w10 w11")


NGRAM = {
    "method": "ngram",
    "num_speculative_tokens": 3,
    "prompt_lookup_min": 1,
    "prompt_lookup_max": 2,
}
OWN_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"}


def check(found: list[dict[str, Any]], asked: list[Question], model: Path, reference: Any) -> None:
    """Check tokens, and their log-probabilities, against Transformers."""
    assert len(found) == len(asked), found
    for own, own_question in zip(found, asked, strict=True):
        expected = reference(model, own_question)
        assert own["ids"] == expected["ids"]
        assert own["tokens"] == expected["tokens"]
        assert own["logprobs"] == pytest.approx(expected["logprobs"], abs=2e-4)


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        pytest.param({}, {}, id="continuous batching"),
        pytest.param(
            {"max_num_batched_tokens": 24, "enable_chunked_prefill": True}, {}, id="chunked prefill"
        ),
        pytest.param({"max_num_seqs": 2}, {}, id="waiting"),
        pytest.param(
            {"speculative_config": NGRAM},
            {},
            id="n-gram speculation",
        ),
        pytest.param(
            {"tensor_parallel_size": 2},
            {**OWN_PROCESS, "VLLM_CPU_OMP_THREADS_BIND": "0|1"},
            id="tensor parallel 2",
        ),
        pytest.param({}, OWN_PROCESS, id="engine in a process of its own"),
        pytest.param({"enforce_eager": False}, {}, id="compiled"),
    ],
)
def test_mixed_settings(
    arguments: dict[str, Any],
    variables: dict[str, str],
    engine: Callable[..., Any],
    folder: Callable[[str], Path],
    transformers_answers: Any,
) -> None:
    asked = [*MIXED, TEXT]
    found = engine(folder(MODEL), asked, variables=variables, **arguments)
    (answers,) = found["answers"]
    check(answers, asked, folder(MODEL), transformers_answers)
    steered = [own for own in asked if own.setting and own.clips]
    for receipt in found["receipts"]:
        assert receipt["requests"] == len(steered)
        assert receipt["rows"] >= sum(own.tokens for own in steered)


def test_preemption(
    engine: Callable[..., Any], folder: Callable[[str], Path], transformers_answers: Any
) -> None:
    """Requests that lose their cache in the middle of an answer go on as if they had not."""
    asked = [question(number, SETTINGS[number], tokens=70) for number in range(4)]
    found = engine(folder(MODEL), asked, num_gpu_blocks_override=10, max_model_len=128)
    assert found["metrics"]["vllm:num_preemptions"] > 0
    check(found["answers"][0], asked, folder(MODEL), transformers_answers)


@pytest.mark.parametrize("dtype", ["bfloat16"])
def test_half_precision(
    dtype: str, engine: Callable[..., Any], folder: Callable[[str], Path]
) -> None:
    """The packed cache is read in half precision too: nothing changes where nothing should."""
    asked = [question(number, "alpha=1e-9 layers=all rows=all", tokens=1) for number in range(3)]
    plain = [question(number, "off", tokens=1) for number in range(3)]
    found = engine(folder(MODEL), asked, plain, dtype=dtype)
    assert all(receipt["rows"] > 60 for receipt in found["receipts"])
    for own, unsteered in zip(*found["answers"], strict=True):
        assert own["tokens"] == unsteered["tokens"]
        assert own["logprobs"] == pytest.approx(unsteered["logprobs"], abs=0.05)
