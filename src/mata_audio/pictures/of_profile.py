"""The pictures of ``mata profile`` and the demo: where the model looks, and when it listens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from mata_audio.evaluation.item import Item
    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.models.loading import Loaded
    from mata_audio.profiling import Profile
    from mata_audio.settings.named import NamedSetting


def profile_pictures(plan: Plan, loaded: Loaded, profile: Profile, item: Item) -> dict[str, Figure]:
    """Draw a profile, and where in one item's clips the model listens; keys are file names.

    Args:
        plan: its first settings are shown with the baseline.
        loaded: the plan's model.
        profile: the profile of this model, with these settings.
        item: the item whose clips are drawn.

    Raises:
        RunError: the item cannot be read.
    """
    from mata_audio.errors import RunError
    from mata_audio.evaluation.running.prepare import FailedItem, preparer_of
    from mata_audio.evaluation.running.stacking import stacked
    from mata_audio.pictures import layer_head_map, mass_by_layer
    from mata_audio.pictures.attention import MOST

    prepared = preparer_of(plan, loaded)(item)
    if isinstance(prepared, FailedItem):
        raise RunError(f"{item.id} cannot be drawn: {prepared.error}")
    inputs = stacked([prepared], loaded)
    shown = plan.settings[1 : 1 + MOST]
    attention = {"mass_by_layer": mass_by_layer(profile), "layer_head_map": layer_head_map(profile)}
    return attention | listening_pictures(loaded, item, inputs, profile, shown)


def listening_pictures(
    loaded: Loaded,
    item: Item,
    inputs: Mapping[str, Tensor],
    profile: Profile,
    settings: Sequence[NamedSetting],
) -> dict[str, Figure]:
    """Draw each clip of one item above the attention to it; keys are file names.

    Args:
        loaded: the model.
        item: the item whose clips are drawn.
        inputs: its prompt, a batch of one on the model's device.
        profile: the profile of the same model, with ``settings``. Attention is averaged over the
            layers that any of them steers.
        settings: shown with the baseline.

    Raises:
        AudioError: a clip cannot be read.
        SettingsError: the prompt's audio tokens do not fit its clips.
    """
    from mata_audio.models.audio import decode_audio
    from mata_audio.models.prompter import Prompter
    from mata_audio.pictures import listening
    from mata_audio.pictures.attention import steered_layers
    from mata_audio.profiling import timeline

    limits = Prompter.of(loaded).limits
    rate, shortest, longest = limits.sampling_rate, limits.shortest, limits.longest
    clips = [
        decode_audio(source.read(), source.name, rate, shortest, longest, cut=True)
        for source in item.audio
    ]
    found = timeline(loaded.model, inputs, [clip.heard for clip in clips], settings)
    # If nothing is steered, average over all layers: none matters more than the others.
    steered = {layer for own in settings for layer in steered_layers(profile, own.name)}
    layers = sorted(steered) or None
    figures = {}
    for number, clip in enumerate(clips):
        which = f", clip {number + 1} of {len(clips)}" if len(clips) > 1 else ""
        if clip.heard < clip.seconds - 0.05:
            which += f", first {clip.heard:.1f} of {clip.seconds:.1f} s"
        figures[f"listening_{number + 1}" if number else "listening"] = listening(
            found, clip.samples, rate, clip=number, layers=layers,
            of=f"{item.id}{which}: {item.question}",
        )  # fmt: skip
    return figures


def save_all(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write figures as SVG and PNG; return the files."""
    from mata_audio.pictures import save

    return [path for name, figure in figures.items() for path in save(figure, folder / name)]
