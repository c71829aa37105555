"""What the doctor examines: a model, with short prompts about sound or pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mata_audio.families import Located, locate

if TYPE_CHECKING:
    from mata_audio.doctor.small_models import SmallModel
    from mata_audio.models.loading import Loaded

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Patient:
    """A model and its prompts.

    Args:
        name: what the model is called in reports.
        model: the model as users hold it.
        located: its parts.
        tokens: what the prompts are about, "audio" or "image"; the setting changes their keys.
        clips: number of clips or pictures in each prompt; the first has one.
        make: returns the model's arguments for some prompts, by number, padded on "left" or
            "right".
        never: token ids that no answer may hold: special ones mark sound or pictures, or end the
            answer early.
        pad: token id of padding.
    """

    name: str
    model: nn.Module
    located: Located
    tokens: str
    clips: tuple[int, ...]
    make: Callable[[Sequence[int], str], Inputs]
    never: tuple[int, ...]
    pad: int

    @property
    def listener(self) -> Any:
        """The part of the model that is called and generates."""
        return self.located.listener

    @property
    def device(self) -> torch.device:
        """The device of the model's inputs."""
        found: torch.device = self.listener.device
        return found

    @property
    def dtype(self) -> torch.dtype:
        """The dtype in which the model computes."""
        found: torch.dtype = self.listener.dtype
        return found

    @property
    def with_clips(self) -> list[int]:
        """Numbers of the prompts with a clip or picture."""
        return [i for i, clips in enumerate(self.clips) if clips]

    def alone(self, prompt: int = 0) -> Inputs:
        """Return the model's arguments for one prompt, without padding."""
        return self._placed(self.make([prompt], "left"))

    def batch(self, side: str) -> Inputs:
        """Return the model's arguments for all prompts, padded on ``side``."""
        return self._placed(self.make(range(len(self.clips)), side))

    def _placed(self, inputs: Inputs) -> Inputs:
        return {name: self._value(value) for name, value in inputs.items()}

    def _value(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return value.to(self.device, self.dtype if value.is_floating_point() else None)


def small_patient(
    small: SmallModel, device: str = "cpu", dtype: torch.dtype | None = None
) -> Patient:
    """Return the patient of a small random model (:mod:`mata_audio.doctor.small_models`).

    It is asked about clips, or about images if it takes no audio.
    """
    from mata_audio.doctor.small_models import vocabulary

    questions = small.questions
    model = small.model.to(device, dtype)
    return Patient(
        name=small.model_type,
        model=model,
        located=locate(model),
        tokens=small.tokens[0],
        clips=tuple(len(question.clips) + len(question.images) for question in questions),
        make=lambda which, side: small.inputs([questions[i] for i in which], side),
        never=tuple(i for i in range(vocabulary.SIZE) if i not in vocabulary.TEXT),
        pad=vocabulary.PAD,
    )


def loaded_patient(loaded: Loaded) -> Patient:
    """Return the patient of a user's model: asked about clips, or pictures if it takes no audio."""
    from mata_audio.doctor.questions import clip_questions, picture_questions

    located = locate(loaded.model)
    hears = "audio" in located.token_ids
    questions = clip_questions(loaded) if hears else picture_questions(loaded)
    tokenizer = loaded.processor.tokenizer
    shown = set(located.token_ids.values())
    never = {*shown, *tokenizer.all_special_ids, *_marks(located.listener.config)}
    pad = tokenizer.pad_token_id
    return Patient(
        name=loaded.name,
        model=loaded.model,
        located=located,
        tokens="audio" if hears else "image",
        clips=questions.counts,
        make=questions.make,
        never=tuple(sorted(never)),
        pad=0 if pad is None else pad,
    )


def _marks(config: Any) -> set[int]:
    """Return the token ids that a config names: marks of pictures, end of sound, ..."""
    return {
        value
        for name, value in vars(config).items()
        if name.endswith(("_token_id", "_token_index")) and isinstance(value, int) and value >= 0
    }
