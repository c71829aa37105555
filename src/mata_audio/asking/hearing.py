"""Where the rows that chose an answer listened: read again in one pass, and noted."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mata_audio.asking.answer import Heard
from mata_audio.asking.prompt import Prompt
from mata_audio.families import Located, using_row_state
from mata_audio.models.one_prefill import greedy
from mata_audio.models.prefill import BY_TOKEN, Prefilled
from mata_audio.profiling.audio_times import audio_times
from mata_audio.steering.by_rule import attachment_by_rule
from mata_audio.steering.observation import Observation
from mata_audio.steering.rule import Rule

MOST_STEPS = 300
"""Most steps of one prompt; more would be finer than anyone sees, and take much memory."""


def cannot_show(rule: Rule) -> str:
    """Return why no single attention can be shown of what a rule answers; empty if it can."""
    if rule.combine is not None:
        return "it compares several readings of the prompt, and each listens in its own way"
    if rule.look is not None:
        return "it looks at the model's answer first, to set its strength"
    if rule.tokens != "audio":
        return f"it changes attention to {rule.tokens}"
    if rule.rows.kind == "random":
        return "it changes random rows, and maybe not those that chose the answer"
    return ""


@torch.inference_mode()
def hear(
    located: Located,
    tokenizer: Any,
    prompt: Prompt,
    answer: Sequence[int],
    rule: Rule,
    start: Prefilled | None,
) -> Heard:
    """Read an answer after its prompt, and note where each token's row listens.

    Args:
        located: the model's parts; it is not steered.
        tokenizer: the processor's.
        prompt: of the answer.
        answer: its tokens, at least one.
        rule: under which it was given; :func:`cannot_show` has no objection.
        start: the prompt up to its last token; None to read it from its first.

    Raises:
        SettingsError: the prompt's audio tokens do not fit its clips.
    """
    ids = prompt.inputs["input_ids"][0].cpu().numpy()
    places = np.flatnonzero(ids == located.audio_token_id)
    clips, starts, ends = audio_times(located, places, [clip.heard for clip in prompt.clips])
    steps = _steps(clips)
    length = len(prompt.tokens)
    noting = _Noting(places, steps, length, (len(answer), located.depth, located.heads))
    listener: Any = located.listener
    with (
        using_row_state(located, None if start is None else start.state),
        attachment_by_rule(
            located, [rule], prompt_length=length, tokenizer=tokenizer, observer=noting
        ),
    ):
        # ``generate`` knows how each family goes on from a cache; its one token is dropped.
        listener.generate(
            **_read_on(prompt, answer[:-1], start),
            **_all_rows(listener, len(answer)),
            generation_config=greedy(listener, tokenizer, max_new_tokens=1),
        )
    firsts = np.flatnonzero(np.diff(steps, prepend=-1))
    lasts = np.append(firsts[1:], len(steps)) - 1
    return Heard(clips[firsts], starts[firsts], ends[lasts], noting.weights)


class _Noting:
    """An observer that keeps the attention of the rows that chose an answer.

    Args:
        places: slots of the audio tokens.
        steps: step of each audio token.
        length: number of tokens of the prompt.
        shape: answer tokens, layers and heads.
    """

    def __init__(
        self,
        places: NDArray[np.int64],
        steps: NDArray[np.int64],
        length: int,
        shape: tuple[int, int, int],
    ) -> None:
        self._places = torch.from_numpy(places)
        self._steps = torch.from_numpy(steps)
        self._last = length - 1
        self.weights = np.zeros((*shape, int(steps[-1]) + 1), dtype=np.float32)

    def __call__(self, observation: Observation) -> None:
        """Note one layer of one pass."""
        slots = observation.forward_pass.past + observation.rows.places(torch.device("cpu"))[0]
        chosen = slots - self._last
        rows = ((chosen >= 0) & (chosen < len(self.weights))).nonzero().flatten()
        keys = self._places - observation.first_slot
        kept = keys >= 0  # a sliding cache has dropped the others
        attention = observation.weights[0].float().cpu()[:, rows][:, :, keys[kept]]
        heard = torch.zeros(*attention.shape[:2], self.weights.shape[3])
        heard.index_add_(2, self._steps[kept], attention)
        self.weights[chosen[rows].numpy(), observation.layer] = heard.transpose(0, 1).numpy()


def _steps(clips: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the step of each audio token: its own, or one with its neighbours in the clip."""
    together = -(-len(clips) // MOST_STEPS)
    firsts = np.searchsorted(clips, clips)
    numbers = (np.arange(len(clips)) - firsts) // together
    new = (np.diff(numbers, prepend=0) != 0) | (np.diff(clips, prepend=clips[0]) != 0)
    steps: NDArray[np.int64] = np.cumsum(new)
    return steps


def _read_on(prompt: Prompt, more: Sequence[int], start: Prefilled | None) -> dict[str, Any]:
    """Return ``generate``'s arguments for the prompt with more tokens after it."""
    given: Mapping[str, Any] = prompt.inputs if start is None else start.rows(1)[0]
    arguments = dict(given)
    for name in BY_TOKEN:
        if name in arguments:
            value: Tensor = arguments[name]
            new = torch.tensor([list(more)], dtype=value.dtype, device=value.device)
            filled = torch.full_like(new, int(name == "attention_mask"))
            arguments[name] = torch.cat([value, new if name == "input_ids" else filled], dim=1)
    return arguments


def _all_rows(listener: Any, count: int) -> dict[str, int]:
    """Return ``generate``'s argument for ``count`` rows through all layers.

    By default it wants those of the last row only, and Gemma 4's last layers read no other.
    """
    named = inspect.signature(listener.forward).parameters
    return {"logits_to_keep": count} if "logits_to_keep" in named else {}
