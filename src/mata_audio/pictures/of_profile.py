"""The pictures of ``mata profile``: where the model looks, and when it listens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from mata_audio.asking import Answer
    from mata_audio.evaluation.item import Item
    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.models.audio import Decoded
    from mata_audio.models.loading import Loaded
    from mata_audio.profiling import Profile
    from mata_audio.settings.colours import Places
    from mata_audio.settings.named import NamedSetting

MOST_TOKENS = 64
"""Most tokens of an answer of which the attention is kept; a long one has a gigabyte of it."""


@dataclass(frozen=True, eq=False)
class HeardItem:
    """One item as the run asks it, and its answers.

    Args:
        item: the item.
        clips: its clips as the model hears them.
        sampling_rate: theirs, in Hz.
        inputs: the run's prompt, a batch of one on the model's device.
        answers: at most :data:`MOST_TOKENS` tokens of each, the baseline's first.
    """

    item: Item
    clips: Sequence[Decoded]
    sampling_rate: int
    inputs: Mapping[str, Tensor]
    answers: Sequence[Answer]

    @property
    def steered(self) -> tuple[int, ...] | None:
        """The layers that any of the settings steers, which attention is averaged over.

        None if nothing is steered: then all layers matter the same.
        """
        return tuple(sorted({layer for own in self.answers for layer in own.layers})) or None

    def title(self, number: int) -> str:
        """Return what is written above a clip."""
        clip = self.clips[number]
        which = f", clip {number + 1} of {len(self.clips)}" if len(self.clips) > 1 else ""
        if clip.is_cut:
            which += f", first {clip.heard:.1f} of {clip.seconds:.1f} s"
        return f"{self.item.id}{which}: {self.item.question}"


def profile_pictures(
    plan: Plan,
    loaded: Loaded,
    profile: Profile,
    heard: HeardItem,
    places: Places | None = None,
) -> dict[str, Figure]:
    """Draw a profile, and where in one item's clips the model listens; keys are file names.

    Args:
        plan: its first settings are shown with the baseline.
        loaded: the plan's model.
        profile: the profile of this model, with these settings.
        heard: the item whose clips are drawn, from :func:`heard_item`.
        places: the settings' places in a run, which give them their colours; None for their places
            in the plan.

    Raises:
        SettingsError: the prompt's audio tokens do not fit its clips.
    """
    from mata_audio.pictures import layer_head_map, listening, mass_by_layer, words
    from mata_audio.profiling import timeline
    from mata_audio.settings.colours import places_of

    placed = places_of((setting.name for setting in plan.settings), places)
    figures = {
        "mass_by_layer": mass_by_layer(profile, places=placed),
        "layer_head_map": layer_head_map(profile, places=placed),
    }
    seconds = [clip.heard for clip in heard.clips]
    found = timeline(loaded.model, heard.inputs, seconds, _shown(plan)[1:])
    for number, clip in enumerate(heard.clips):
        ending = f"_{number + 1}" if number else ""
        figures[f"listening{ending}"] = listening(
            found, clip.samples, heard.sampling_rate, clip=number, layers=heard.steered,
            of=heard.title(number), places=placed,
        )  # fmt: skip
        if any(answer.heard is not None and answer.words for answer in heard.answers):
            figures[f"words{ending}"] = words(
                heard.answers, clip.samples, heard.sampling_rate, clip=number,
                layers=heard.steered, of=heard.title(number), places=placed,
            )  # fmt: skip
    return figures


def heard_item(plan: Plan, loaded: Loaded, item: Item) -> HeardItem:
    """Ask one item as the run does, under the settings that are drawn.

    Args:
        plan: its first settings are asked with the baseline.
        loaded: the plan's model.
        item: the item.

    Raises:
        RunError: the item cannot be read.
        AudioError: a clip cannot be read.
    """
    from mata_audio.asking import Asker
    from mata_audio.errors import RunError
    from mata_audio.evaluation.running.prepare import FailedItem, preparer_of
    from mata_audio.evaluation.running.stacking import stacked

    prepared = preparer_of(plan, loaded)(item)
    if isinstance(prepared, FailedItem):
        raise RunError(f"{item.id} cannot be drawn: {prepared.error}")
    inputs = stacked([prepared], loaded)
    asker = Asker(loaded)
    rate = asker.prompter.limits.sampling_rate
    clips = [asker.prompter.decode(own.read(), own.name, cut=True) for own in item.audio]
    prompt = asker.prompt_of(item.question, clips, inputs)
    longest_answer = min(plan.max_new_tokens, MOST_TOKENS)
    answers = [asker.answer(prompt, setting, longest_answer) for setting in _shown(plan)]
    return HeardItem(item, clips, rate, inputs, answers)


def _shown(plan: Plan) -> Sequence[NamedSetting]:
    from mata_audio.pictures.attention import MOST

    return plan.settings[: 1 + MOST]


def save_all(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write figures as SVG and PNG; return the files."""
    from mata_audio.pictures import save

    return [path for name, figure in figures.items() for path in save(figure, folder / name)]
