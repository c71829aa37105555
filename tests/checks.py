"""Compare what the product did with the float64 reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from mata_audio.steering.formulas import FORMULAS
from mata_audio.steering.prompt import Prompt
from reference import Steering
from subject import Subject

TOLERANCE = 1e-5
NEW_TOKENS = 6

SETTING: dict[str, Any] = {"alpha": 0.7, "layers": [1, 2]}
# The three code paths: scaled keys; rows rewritten because of the formula; because of the heads.
SETTINGS = [SETTING, {**SETTING, "formula": "absolute"}, {**SETTING, "heads": [1, 2]}]

each_setting = pytest.mark.parametrize(
    "setting", SETTINGS, ids=["scaled-keys", "absolute", "some-heads"]
)

each_formula = pytest.mark.parametrize("formula", list(FORMULAS))

QUESTIONS: list[tuple[str, list[float]]] = [
    ("What is this?", [1.0]),
    ("Which of the two clips is longer?", [0.5, 0.7]),
    ("No clip here.", []),
]
"""A batch of unequal lengths: one clip, two clips, and no audio."""


def greedy(subject: Subject, **options: Any) -> dict[str, Any]:
    """Arguments of a greedy ``generate`` that returns every step's logits.

    Special tokens are suppressed: a random model would end at once or answer with audio tokens.
    """
    return {
        "max_new_tokens": NEW_TOKENS,
        "do_sample": False,
        "return_dict_in_generate": True,
        "output_logits": True,
        "suppress_tokens": list(range(256, len(subject.processor.tokenizer))),
        **options,
    }


@contextmanager
def using_backend(model: Any, backend: str) -> Iterator[None]:
    """Let a model attend by ``backend`` for as long as the block runs."""
    before = model.config._attn_implementation
    model.set_attn_implementation(backend)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def rows_in_pieces(prompt: Prompt, total: int, data: st.DataObject) -> Tensor:
    """Active rows of a prompt and later tokens, read in drawn pieces, shape (batch, total)."""
    got = torch.zeros(prompt.batch, total, dtype=torch.bool)
    past = 0
    while past < total:
        queries = data.draw(st.integers(1, total - past), label="piece")
        rows = prompt.rows(past, queries)
        if rows is not None:
            where = torch.zeros(prompt.batch, 1, queries, 1, dtype=torch.bool)
            count = rows.places(torch.device("cpu")).shape[1]
            rows.put(where, torch.ones(prompt.batch, 1, count, 1, dtype=torch.bool))
            got[:, past : past + queries] = where[:, 0, :, 0]
        past += queries
    return got


def prompt_tokens(inputs: dict[str, Tensor]) -> list[int]:
    return inputs["attention_mask"].sum(1).tolist()


def expected_logits(
    subject: Subject, inputs: dict[str, Tensor], generated: Tensor, **setting: Any
) -> tuple[Tensor, Tensor]:
    """Reference logits of each generated token, (batch, new, vocabulary): (steered, baseline)."""
    steered = subject.expected(inputs, Steering(**setting), generated=generated)
    baseline = subject.expected(inputs, Steering([]), generated=generated)
    return steered, baseline


def assert_generated_exactly(
    subject: Subject, inputs: dict[str, Tensor], output: Any, **setting: Any
) -> None:
    """Check each step's logits of a left-padded ``generate`` and that the setting had an effect."""
    width = inputs["input_ids"].shape[1]
    steered, baseline = expected_logits(subject, inputs, output.sequences[:, width:], **setting)
    got = torch.stack(output.logits, 1)
    assert_close(got, steered)
    heard = (inputs["input_ids"] == subject.audio_token_id).any(1)
    effect = (steered - baseline).abs().amax((1, 2))
    assert (effect[heard] > 100 * TOLERANCE).all(), "a setting without effect proves nothing"
    assert (effect[~heard] == 0).all()


def assert_close(got: Tensor, expected: Tensor) -> None:
    """Check that no logit differs by more than the tolerance."""
    assert got.shape == expected.shape
    assert (got - expected).abs().max().item() < TOLERANCE


def repeated(inputs: dict[str, Tensor], times: int) -> dict[str, Tensor]:
    """One-sample inputs, repeated along the batch (for beams)."""
    return {name: value.repeat_interleave(times, 0) for name, value in inputs.items()}
