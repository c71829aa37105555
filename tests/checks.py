"""Compare what the product did with the float64 reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from families.subjects import FamilySubject
from mata_audio import MATA
from mata_audio.steering.formulas import FORMULAS
from mata_audio.steering.prompt import Prompt
from mata_audio.steering.receipt import Receipt
from reference import Steering, named_tokens
from subject import Subject

AnySubject = Subject | FamilySubject

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


def greedy(subject: AnySubject, **options: Any) -> dict[str, Any]:
    """Arguments of a greedy ``generate`` without special tokens, for every step's logits."""
    return {
        "max_new_tokens": NEW_TOKENS,
        "do_sample": False,
        "return_dict_in_generate": True,
        "output_logits": True,
        "suppress_tokens": list(subject.never),
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


def padded(samples: list[list[bool]], left: bool) -> tuple[Tensor, Tensor]:
    """Where a padded batch of prompts has audio and where real tokens, shape (batch, length).

    Args:
        samples: whether each token of each prompt is audio.
        left: whether the padding is on the left.
    """
    width = max(map(len, samples))
    audio = torch.zeros(len(samples), width, dtype=torch.bool)
    real = torch.zeros_like(audio)
    for row, tokens in enumerate(samples):
        start = width - len(tokens) if left else 0
        real[row, start : start + len(tokens)] = True
        audio[row, start : start + len(tokens)] = torch.tensor(tokens)
    return audio, real


def rows_in_pieces(prompt: Prompt, total: int, data: st.DataObject) -> Tensor:
    """Active rows of a prompt and later tokens, read in drawn pieces, shape (batch, total)."""
    got = torch.zeros(prompt.batch, total, dtype=torch.bool)
    past = 0
    while past < total:
        queries = data.draw(st.integers(1, total - past), label="piece")
        rows = prompt.rows(past, queries, got.device)
        if rows is not None:
            where = torch.zeros(prompt.batch, 1, queries, 1, dtype=torch.bool)
            count = rows.places(torch.device("cpu")).shape[1]
            rows.put(where, torch.ones(prompt.batch, 1, count, 1, dtype=torch.bool))
            got[:, past : past + queries] = where[:, 0, :, 0]
        past += queries
    return got


def prompt_tokens(inputs: dict[str, Tensor]) -> list[int]:
    return inputs["attention_mask"].sum(1).tolist()


def new_tokens(inputs: dict[str, Tensor], output: Any) -> Tensor:
    """The tokens that ``generate`` added to the prompts, shape (batch, new)."""
    added: Tensor = output.sequences[:, inputs["input_ids"].shape[1] :]
    return added


def expected_logits(
    subject: AnySubject, inputs: dict[str, Tensor], generated: Tensor, **setting: Any
) -> tuple[Tensor, Tensor]:
    """Reference logits of each generated token, (batch, new, vocabulary): (steered, baseline)."""
    steered = subject.expected(inputs, Steering(**setting), generated=generated)
    baseline = subject.expected(inputs, Steering([]), generated=generated)
    return steered, baseline


def generate_exactly(
    subject: Subject,
    inputs: dict[str, Tensor],
    setting: dict[str, Any],
    model: Any = None,
    **options: Any,
) -> tuple[Any, Receipt]:
    """Generate with a setting, check each step's logits, and return the output and the receipt.

    Args:
        subject: the model in main memory, which the reference copies.
        inputs: left-padded prompts.
        setting: of :class:`mata_audio.MATA`.
        model: the same model elsewhere, which generates; None for the subject's own.
        options: more arguments of ``generate``.
    """
    model = subject.model if model is None else model
    given = {name: value.to(model.device) for name, value in inputs.items()}
    with MATA(**setting)(model) as applied:
        output = model.generate(**given, **greedy(subject, **options))
    assert_generated_exactly(subject, inputs, output, **setting)
    return output, applied.receipt


def assert_generated_exactly(
    subject: AnySubject, inputs: dict[str, Tensor], output: Any, **setting: Any
) -> None:
    """Check each step's logits of a left-padded ``generate`` and that the setting had an effect."""
    new = new_tokens(inputs, output).cpu()
    steered, baseline = expected_logits(subject, inputs, new, **setting)
    assert_close(torch.stack(output.logits, 1).cpu(), steered)
    named = setting.get("tokens", "audio")
    heard = named_tokens(inputs["input_ids"], named, subject.audio_token_id).any(1)
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
