"""Every method end to end: exact in every step's logits, and nothing at its neutral settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from entries import ENTRIES, Entry, each
from expected import Reads
from torch import Tensor

from checks import TOLERANCE, greedy, new_tokens
from mata_audio.models.one_prefill import generate_all
from mata_audio.models.one_prefill import greedy as greedy_config
from mata_audio.settings.named import NamedSetting
from subject import Subject

PROMPTS: list[tuple[str, list[float]]] = [
    ("What is this?", [1.0]),
    ("Which of the two clips is longer?", [0.5, 0.7]),
    ("No clip here.", []),
    ("Who speaks?", [0.4]),
]


def answered(subject: Subject, inputs: dict[str, Tensor], method: Any = None, **more: Any) -> Any:
    """A greedy answer with every step's logits; None for the unmodified model."""
    if method is None:
        return subject.model.generate(**inputs, **greedy(subject))
    with method(subject.model, **more):
        return subject.model.generate(**inputs, **greedy(subject))


def second_prompts(subject: Subject, entry: Entry) -> dict[str, dict[str, Tensor]]:
    """Other questions about other clips: exactness does not depend on what they are."""
    return {
        name: subject.inputs([(f"{name}: {text}", clips) for text, clips in PROMPTS], seed=9)
        for name in entry.others
    }


@pytest.mark.parametrize(**each())
def test_generation_is_exact(surer: Subject, entry: Entry) -> None:
    inputs = surer.inputs(PROMPTS)
    others = second_prompts(surer, entry)
    given = {"others": others} if others else {}
    output = answered(surer, inputs, entry.method, **given)
    reads = Reads(surer, inputs, new_tokens(inputs, output), others)
    got, expected = torch.stack(output.logits, 1), reads.expected(entry)

    assert torch.equal(got.isinf(), expected.isinf())
    finite = ~expected.isinf()
    assert (got - expected)[finite].abs().max() < TOLERANCE
    moved = (expected - reads.under()).masked_fill(~finite, 0.0).abs().amax((1, 2))
    assert (moved[reads.heard] > 100 * TOLERANCE).all(), "a setting without effect proves nothing"
    assert torch.equal(reads.heard, torch.tensor([True, True, False, True]))
    if getattr(entry.method, "cut", 0):
        assert expected[reads.heard].isinf().any()


@pytest.mark.parametrize(**each(lambda entry: entry.factor is not None))
def test_what_was_compared_has_sure_and_unsure_rows(surer: Subject, entry: Entry) -> None:
    inputs = surer.inputs(PROMPTS)
    reads = Reads(surer, inputs, new_tokens(inputs, answered(surer, inputs, entry.method)))
    width = inputs["input_ids"].shape[1]
    strength = reads.strengths(entry)[reads.heard]
    looked = strength[:, width - 1 : -1] if entry.each_step else strength[:, width - 1]
    assert looked.min() <= 0 < looked.max()
    assert (strength[:, : width - 1] == 0).all()


@pytest.mark.parametrize(**each())
def test_neutral_settings_are_bit_identical(subject: Subject, entry: Entry) -> None:
    inputs = subject.inputs(PROMPTS)
    plain = answered(subject, inputs)
    for neutral in entry.neutral:
        output = answered(subject, inputs, neutral)
        assert torch.equal(output.sequences, plain.sequences)
        assert torch.equal(torch.stack(output.logits), torch.stack(plain.logits))


def test_an_evaluation_answers_as_generate_does(surer: Subject) -> None:
    """All methods from one call, side by side where they can be, the baseline among them."""
    inputs = surer.inputs(PROMPTS[:1])
    tokenizer = surer.processor.tokenizer
    config = greedy_config(surer.model, tokenizer, 8)
    entries = [entry for entry in ENTRIES if not entry.others]
    settings = [NamedSetting(str(place), entry.method) for place, entry in enumerate(entries)]
    settings.insert(3, NamedSetting("baseline", None))
    (found,) = generate_all(surer.model, inputs, settings, config)

    assert list(found) == [setting.name for setting in settings]
    for setting in settings:
        if setting.method is None:
            output = surer.model.generate(**inputs, generation_config=config)
        else:
            with setting.method(surer.model):
                output = surer.model.generate(**inputs, generation_config=config)
        assert list(found[setting.name].tokens) == new_tokens_of(inputs, output)


def new_tokens_of(inputs: dict[str, Tensor], output: Tensor) -> list[int]:
    """The new tokens of one prompt."""
    tokens: list[int] = output[0, inputs["input_ids"].shape[1] :].tolist()
    return tokens
