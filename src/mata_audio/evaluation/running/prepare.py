"""From one benchmark item to model inputs."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from mata_audio.errors import one_line
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.results.results import ClipHeard
from mata_audio.evaluation.templates.template import Template
from mata_audio.families import PromptStyle
from mata_audio.models.audio import Decoded, decode_audio
from mata_audio.models.other_audio import other_inputs
from mata_audio.models.prefill import BY_TOKEN
from mata_audio.models.prompter import Prompter
from mata_audio.models.remembered_sound import remembering_sound

if TYPE_CHECKING:
    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.models.finding import Found
    from mata_audio.models.loading import Loaded


@dataclass(frozen=True)
class Prepared:
    """An item ready for the model.

    Args:
        item: the item.
        inputs: its model inputs, as a batch of one.
        clips: what is heard of its clips.
        others: inputs of the second prompts that settings compare with, by name.
    """

    item: Item
    inputs: dict[str, Tensor]
    clips: tuple[ClipHeard, ...]
    others: Mapping[str, dict[str, Tensor]] = field(default_factory=dict)

    @cached_property
    def size(self) -> int:
        """Bytes of the inputs."""
        return sum(value.nbytes for own in self._all for value in own.values())

    @property
    def tokens(self) -> int:
        """Tokens of the prompt."""
        return self.inputs["input_ids"].shape[1]

    @property
    def kinds(self) -> tuple[tuple[str, int], ...]:
        """Names of the inputs and numbers of their dimensions: items of any batch share this."""
        return tuple((n, v.dim()) for own in self._all for n, v in sorted(own.items()))

    @property
    def shape(self) -> tuple[object, ...]:
        """Items of an exact batch share this: no prompt is padded to the length of another."""
        return tuple(
            (name, tuple(value.shape[1:]))
            for own in self._all
            for name, value in sorted(own.items())
        )

    @cached_property
    def _all(self) -> list[dict[str, Tensor]]:
        return [self.inputs, *(self.others[name] for name in sorted(self.others))]


@dataclass(frozen=True)
class FailedItem:
    """An item that could not be prepared, and why."""

    item: Item
    error: str


class Preparer:
    """Makes model inputs.

    Args:
        prompter: writes the model's prompts.
        template: wording of the questions.
        cut_long_audio: whether to cut clips that are too long for the model; otherwise such an item
            fails.
        others: names of second prompts to make, out of
            :data:`mata_audio.models.other_audio.OTHERS`.
        seed: of what is random in them.
    """

    def __init__(
        self,
        prompter: Prompter,
        template: Template,
        cut_long_audio: bool,
        others: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self._prompter = remembering_sound(
            replace(prompter, style=styled(prompter.style, template))
        )
        self._template = template
        self._limits = prompter.limits
        self._cut = cut_long_audio
        self._others = tuple(others)
        self._seed = seed
        self._processing = threading.Lock()  # fast tokenizers refuse two threads at once

    def __call__(self, item: Item) -> Prepared | FailedItem:
        """Decode, resample and tokenise one item. Any error makes it a failed item."""
        try:
            clips = self.decoded(item)
            question = self._template.render(item.question, item.choices)
            with self._processing:
                heard_clips = [clip.samples for clip in clips]
                inputs = self._prompter.inputs([question], [heard_clips])
                seed = self._seed + zlib.crc32(item.id.encode())
                others = {
                    name: other_inputs(name, self._prompter, question, heard_clips, seed)
                    for name in self._others
                }
            if self._prompter.hearing.drops_masked:
                inputs, others = cut_masked(inputs), {n: cut_masked(o) for n, o in others.items()}
        except Exception as error:
            return FailedItem(item, one_line(error))
        heard = tuple(
            ClipHeard(source.name, clip.seconds, clip.heard, source.place, clip.sha256)
            for source, clip in zip(item.audio, clips, strict=True)
        )
        return Prepared(item, inputs, heard, others)

    def decoded(self, item: Item) -> list[Decoded]:
        """Decode and resample the clips of one item.

        Raises:
            AudioError: one is missing, damaged, too short or too long.
        """
        return [
            decode_audio(
                source.read(),
                source.name,
                self._limits.sampling_rate,
                self._limits.shortest,
                self._limits.longest,
                cut=self._cut,
            )
            for source in item.audio
        ]


def preparer_of(plan: Plan, model: Found | Loaded) -> Preparer:
    """Return the preparer of a plan's items; loads the processor of a model that is only found."""
    methods = [setting.method for setting in plan.settings if setting.method is not None]
    others = dict.fromkeys(name for method in methods for name in method.rule().others)
    options = plan.options
    return Preparer(
        Prompter.of(model), plan.template, options.cut_long_audio, tuple(others), options.seed
    )


def clips_of(item: Item) -> tuple[tuple[str, str], ...]:
    """Return what items with the same clips have in common."""
    return tuple((clip.name, clip.place) for clip in item.audio)


def by_clips(items: Iterable[Item]) -> list[Item]:
    """Return items with the same clips beside each other, else in their order."""
    groups: dict[tuple[tuple[str, str], ...], list[Item]] = {}
    for item in items:
        groups.setdefault(clips_of(item), []).append(item)
    return [item for group in groups.values() for item in group]


def cut_masked(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return inputs without the frames after a clip's end, which the model drops by their mask.

    Qwen2.5-Omni's processor pads every clip to 300 seconds: 15 MB each.
    """
    cut = dict(inputs)
    mask = cut.get("feature_attention_mask")
    if mask is not None:
        frames, heard = mask.shape[1], int(mask.sum(dim=1).max())
        for name, value in cut.items():
            if name not in BY_TOKEN and value.dim() > 1 and value.shape[-1] == frames:
                cut[name] = value[..., :heard].clone()
    return cut


def styled(style: PromptStyle, template: Template) -> PromptStyle:
    """Return a style as a template wants it; the family decides what that leaves open."""
    if template.audio_first is not None:
        style = replace(style, audio_first=template.audio_first)
    if template.system is not None:
        style = replace(style, system=template.system)
    return style
