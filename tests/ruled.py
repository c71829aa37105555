"""Methods made up for tests, and the logits that the float64 reference expects of any method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from checks import TOLERANCE, AnySubject, greedy, new_tokens
from mata_audio.methods.contrast import Contrast
from mata_audio.methods.method import Method
from mata_audio.steering.rule import UNHEARD, Change, Rule
from reference import Steering

Inputs = dict[str, Any]
Combined = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Ruled(Method):
    """A method that does what a rule says."""

    made: Rule

    def rule(self) -> Rule:
        """Return the rule."""
        return self.made


def three_views_combined(logits: Tensor) -> Tensor:
    """Weigh three views, so that each matters and none can stand for another."""
    louder, unheard, other = logits
    sure = unheard.softmax(-1).amax(-1, keepdim=True)
    return louder + 3 * sure * (louder - unheard) - 0.5 * (other - louder).tanh()


THREE_VIEWS = Ruled(
    Rule(
        (
            (Change("add", 2.0, layers=(1,)),),
            UNHEARD,
            (
                Change("multiply", -3.0, layers=(0, 2), heads=(1, 2)),
                Change("value", 2.0, layers=(3,)),
            ),
        ),
        combine=three_views_combined,
    )
)
CONTRAST = Contrast(alpha=8.0, power=1.0, cut=0.3)
METHODS: list[Method] = [CONTRAST, Contrast(alpha=4.0, power=0.0, cut=0.0), THREE_VIEWS]


def combining(method: Method) -> Combined | None:
    """How a method's views become one, for Contrast as its formula is published."""
    if not isinstance(method, Contrast):
        return method.rule().combine

    def contrasted(logits: Tensor) -> Tensor:
        listening, deaf = logits
        certainty = deaf.log_softmax(-1).exp().max(-1, keepdim=True).values
        moved = listening + method.alpha * certainty.pow(method.power) * (listening - deaf)
        likely = listening.log_softmax(-1).exp()
        floor = method.cut * likely.max(-1, keepdim=True).values
        return torch.where(likely >= floor, moved, -torch.inf) if method.cut else moved

    return contrasted


def audio_keys(subject: AnySubject, inputs: Inputs) -> Tensor:
    """Where the prompts' audio is, shape (batch, length)."""
    return (inputs["input_ids"] == subject.audio_token_id) & inputs["attention_mask"].bool()


def view_logits(
    subject: AnySubject,
    inputs: Inputs,
    view: tuple[Change, ...],
    keys: Mapping[str, Tensor] | None = None,
    rows: Tensor | str = "last",
    **more: Any,
) -> Tensor:
    """Logits of one view by the reference; other arguments as there.

    Args:
        subject: the model.
        inputs: the prompts.
        view: what is changed.
        keys: where each kind of keys is, shape (batch, length); audio is known.
        rows: the changed rows of the prompts.
        more: arguments of the reference.
    """
    audio = audio_keys(subject, inputs)
    places = {"audio": audio} | dict(keys or {})
    changes = [
        (
            Steering(
                range(_depth(subject)) if change.layers == "all" else change.layers,
                change.alpha if change.gains is None else change.alpha * torch.tensor(change.gains),
                change.formula,
                change.heads,
            ),
            places[change.keys] & audio.any(1, keepdim=True),
        )
        for change in view
    ]
    return subject.expected(inputs, Steering([], rows=rows), also=changes, **more)


def _depth(subject: AnySubject) -> int:
    return len(subject.layout.decoder_in(subject.model).layers)


def expected_logits(
    subject: AnySubject,
    inputs: Inputs,
    method: Method,
    generated: Tensor | None = None,
    keys: Mapping[str, Tensor] | None = None,
    rows: Tensor | None = None,
    **more: Any,
) -> Tensor:
    """Logits of a method: its views' combined in changed rows, the first view's in others.

    Of the steps from which the tokens ``generated`` were chosen, or of every slot of the prompts.
    """
    views = torch.stack(
        [
            view_logits(
                subject,
                inputs,
                view,
                keys,
                "last" if rows is None else rows,
                generated=generated,
                **more,
            )
            for view in method.rule().views
        ]
    )
    combine = combining(method)
    if combine is None:
        return views[0]
    changed = audio_keys(subject, inputs).any(1, keepdim=True).expand(views.shape[1:3])
    if generated is None:
        assert rows is not None, "say which rows are changed"
        changed = changed & rows
    return torch.where(changed[..., None], combine(views), views[0])


def assert_same_logits(got: Tensor, expected: Tensor) -> None:
    """Check that the same tokens are ruled out, and that all other logits are close."""
    assert got.shape == expected.shape
    out = expected.isneginf()
    assert torch.equal(got.isneginf(), out)
    difference = (got - expected).masked_fill(out, 0).abs().max().item()
    assert difference < TOLERANCE, difference


def assert_generated_exactly(
    subject: AnySubject,
    inputs: Inputs,
    output: Any,
    method: Method,
    keys: Mapping[str, Tensor] | None = None,
    rows: Tensor | None = None,
) -> None:
    """Check each step's logits of a left-padded ``generate``, and that the method had an effect."""
    new = new_tokens(inputs, output) if "input_ids" in inputs else output.sequences
    expected = expected_logits(subject, inputs, method, new, keys, rows)
    assert_same_logits(torch.stack(output.logits, 1), expected)
    assert_effect(subject, inputs, expected, new)


def assert_effect(subject: AnySubject, inputs: Inputs, expected: Tensor, new: Tensor) -> None:
    """Check that the expected logits differ from the model's own exactly where audio is heard."""
    plain = subject.expected(inputs, Steering([]), generated=new)
    heard = audio_keys(subject, inputs).any(1)
    effect = (expected - plain).masked_fill(expected.isneginf(), 0).abs().amax((1, 2))
    assert (effect[heard] > 100 * TOLERANCE).all(), "a method without effect proves nothing"
    assert (effect[~heard] == 0).all()


def generate_exactly(
    subject: AnySubject, inputs: Inputs, method: Method, repeats: int = 1, **options: Any
) -> Any:
    """Generate under a method, check each step's logits, and return the output.

    Args:
        subject: the model.
        inputs: left-padded prompts.
        method: the method.
        repeats: answers to each prompt.
        options: more arguments of ``generate``.
    """
    with method(subject.model):
        output = subject.model.generate(**inputs, **greedy(subject, **options))
    every = {name: value.repeat_interleave(repeats, 0) for name, value in inputs.items()}
    assert_generated_exactly(subject, every, output, method)
    return output
