"""A second prompt answered beside the first: its logits are those of that prompt read by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from checks import QUESTIONS, assert_close, greedy, new_tokens, repeated
from mata_audio import CacheError, SettingsError
from mata_audio.methods.method import Method
from mata_audio.steering.rule import UNHEARD, Rule
from reference import Steering
from subject import Subject

ASKED = QUESTIONS[:2]  # unequal lengths, one clip and two
ONE_CLIP_EACH: list[tuple[str, list[float]]] = [("What is this?", [1.0]), ("Say it.", [0.6])]
ALPHA = 0.3  # a stronger one would add up the rounding of four views


@dataclass(frozen=True)
class Beside(Method):
    """Away from another prompt's answer, and from the unheard view if there is one."""

    views: int = 1
    others: tuple[str, ...] = ("other",)

    def rule(self) -> Rule:
        return Rule(((), UNHEARD)[: self.views], combine=self.combined, others=self.others)

    def combined(self, logits: Tensor) -> Tensor:
        heard, *rest = logits
        return heard + ALPHA * sum((heard - other) * (n + 1) for n, other in enumerate(rest))


def silent(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same prompts about silence: the processor's features are zeros."""
    return {k: torch.zeros_like(v) if v.is_floating_point() else v for k, v in inputs.items()}


def about_nothing(subject: Subject) -> dict[str, Tensor]:
    """Prompts of other lengths, without audio."""
    return subject.inputs([("Say anything, at length.", []), ("Say.", [])])


def expected(
    subject: Subject,
    inputs: dict[str, Tensor],
    others: dict[str, dict[str, Tensor]],
    generated: Tensor,
    views: int,
) -> Tensor:
    depth = range(len(subject.layout.decoder_in(subject.model).layers))
    unheard = Steering(depth, alpha=-1.0, formula="mass")
    every = [subject.expected(inputs, Steering([]), generated=generated)]
    if views == 2:
        every.append(subject.expected(inputs, unheard, generated=generated))
    every += [subject.expected(own, Steering([]), generated=generated) for own in others.values()]
    return Beside(views).combined(torch.stack(every))


def generate_exactly(
    subject: Subject,
    inputs: dict[str, Tensor],
    others: dict[str, dict[str, Tensor]],
    views: int = 1,
    times: int = 1,
    **options: Any,
) -> Any:
    """Generate beside other prompts and check the logits of every step."""
    method = Beside(views, tuple(others))
    with torch.no_grad(), method(subject.model, others=others):
        output = subject.model.generate(**inputs, **greedy(subject, **options))
    new = new_tokens(inputs, output)
    every = {name: repeated(own, times) for name, own in others.items()}
    wanted = expected(subject, repeated(inputs, times), every, new, views)
    if "num_beams" not in options:  # the logits of beams belong to rows that were reordered since
        assert_close(torch.stack(output.logits, 1), wanted)
    return output, wanted


@pytest.mark.parametrize("views", [1, 2])
def test_greedy(subject: Subject, views: int) -> None:
    inputs = subject.inputs(ASKED)
    others = {"silence": silent(inputs), "nothing": about_nothing(subject)}
    generate_exactly(subject, inputs, others, views)


def test_sampling_and_several_answers(subject: Subject) -> None:
    torch.manual_seed(0)
    inputs = subject.inputs(ONE_CLIP_EACH)
    options = {"do_sample": True, "num_return_sequences": 3}
    output, _ = generate_exactly(subject, inputs, {"silence": silent(inputs)}, 2, 3, **options)
    assert len({tuple(row) for row in new_tokens(inputs, output).tolist()}) > 2


@pytest.mark.parametrize("views", [1, 2])
def test_beams(subject: Subject, views: int) -> None:
    """The score of each beam is the sum of the reference's log-probabilities."""
    inputs = subject.inputs(ONE_CLIP_EACH)
    others = {"silence": silent(inputs), "nothing": about_nothing(subject)}
    options = {"num_beams": 3, "num_return_sequences": 3, "output_scores": True}
    output, wanted = generate_exactly(
        subject, inputs, others, views, 3, length_penalty=0.0, **options
    )
    new = new_tokens(inputs, output)
    sums = wanted.log_softmax(-1).gather(2, new[..., None])[..., 0].sum(1)
    assert_close(output.sequences_scores, sums)
    assert (output.beam_indices[:, :-1] != output.beam_indices[:, :1]).any(), "nothing reordered"


def test_without_a_cache(subject: Subject) -> None:
    inputs = subject.inputs(ASKED)
    generate_exactly(subject, inputs, {"silence": silent(inputs)}, 2, use_cache=False)


def test_tokens_that_are_tried_and_taken_back(subject: Subject) -> None:
    inputs = subject.inputs(ASKED[:1])
    generate_exactly(subject, inputs, {"silence": silent(inputs)}, 2, prompt_lookup_num_tokens=2)


def test_a_prompt_without_audio_is_left_alone(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS)
    options = greedy(subject)
    with torch.no_grad():
        before = subject.model.generate(**inputs, **options)
        with Beside()(subject.model, others={"other": silent(inputs)}):
            after = subject.model.generate(**inputs, **options)
    plain, contrasted = torch.stack(before.logits, 1), torch.stack(after.logits, 1)
    assert_close(contrasted[2], plain[2])
    assert (contrasted[0] - plain[0]).abs().max() > 1e-3


def test_the_returned_cache_is_as_without(subject: Subject) -> None:
    inputs = subject.inputs(ASKED)
    with torch.no_grad(), Beside(2)(subject.model, others={"other": silent(inputs)}):
        output = subject.model.generate(**inputs, **greedy(subject))
    keys = output.past_key_values.layers[0].keys
    assert keys.shape[0] == len(ASKED)
    assert "reorder_cache" not in vars(output.past_key_values)


def test_what_is_missing_or_does_not_fit(qwen2_audio: Subject) -> None:
    model, inputs = qwen2_audio.model, qwen2_audio.inputs(ASKED)
    with pytest.raises(SettingsError, match="give its inputs"), Beside()(model):
        pass
    one = {name: value[:1] for name, value in inputs.items() if name != "input_features"}
    three = repeated({k: v for k, v in one.items() if "feature" not in k}, 3)
    for others, words in [
        (three, "but the batch has 2 rows"),
        (qwen2_audio.inputs([("Long words first.", []), ("a", [])], side="right"), "on the left"),
    ]:
        with (
            torch.no_grad(),
            pytest.raises(SettingsError, match=words),
            Beside()(model, others={"other": others}),
        ):
            model.generate(**inputs, **greedy(qwen2_audio))
    with torch.no_grad(), Beside()(model, others={"other": silent(inputs)}):
        cache = model(**inputs, use_cache=True).past_key_values
        mask = torch.cat([inputs["attention_mask"], torch.ones(2, 1, dtype=torch.long)], 1)
        with pytest.raises(CacheError, match=r"let generate\(\) write"):
            model(input_ids=torch.ones(2, 1, dtype=torch.long), attention_mask=mask,
                  past_key_values=cache)  # fmt: skip
