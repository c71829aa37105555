"""``timeline``: where in a clip the last prompt token looks, second by second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mata_audio.errors import SettingsError
from mata_audio.families import locate
from mata_audio.methods.method import Method
from mata_audio.profiling.audio_times import audio_times
from mata_audio.profiling.prompt_reader import PromptBatch, PromptReader, check_settings, generation
from mata_audio.settings.named import NamedSetting, with_baseline
from mata_audio.shown.in_html import InHtml
from mata_audio.shown.one_line import OneLine, described, named
from mata_audio.steering.observation import Observation

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Timeline(OneLine, InHtml):
    """The attention of the last prompt token on each audio token of one prompt.

    Args:
        clips: number of the clip each audio token belongs to, from 0, shape ``(audio tokens,)``.
        starts: where each token starts, in seconds from the start of its clip, same shape.
        ends: where it ends, same shape.
        weights: attention weights, mean over heads, shape ``(layers, audio tokens)``, by name of
            setting, ``"baseline"`` first.
    """

    clips: NDArray[np.int64]
    starts: Floats
    ends: Floats
    weights: Mapping[str, Floats]

    def __repr__(self) -> str:
        clips = len(np.unique(self.clips))
        size = f"{len(self.starts):,} audio tokens of {clips} clip{'s' if clips > 1 else ''}"
        return described(f"Timeline: {size}; {named(self.weights)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the timeline as JSON data."""
        return {
            "clips": self.clips.tolist(),
            "starts": self.starts.tolist(),
            "ends": self.ends.tolist(),
            "weights": {name: own.tolist() for name, own in self.weights.items()},
        }


def timeline(
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    seconds: float | Sequence[float],
    settings: Method | NamedSetting | Sequence[Method | NamedSetting] | None = None,
) -> Timeline:
    """Measure which moments of a prompt's clips its last token looks at.

    Args:
        model: a supported model, not steered.
        inputs: model inputs of one prompt, on the model's device.
        seconds: how much of the clip the model hears; one value per clip if there are several.
        settings: measured in addition to the baseline; None for only the baseline.

    Raises:
        SettingsError: several prompts, seconds that do not fit the prompt's clips, or a layer or
            head that the model does not have.
        SettingsTypeError: ``inputs`` is not a dict of model inputs.
        NoAudioError: the prompt has no audio tokens.
        UnsupportedModelError: the architecture is unknown.
        AlreadyAttachedError: the model is steered already.
    """
    located = locate(model)
    named = with_baseline(settings or ())
    check_settings(located, named)
    prompts = PromptBatch(located, inputs)
    if prompts.ids.shape[0] != 1:
        raise SettingsError(
            f"a timeline takes one prompt; got a batch of {prompts.ids.shape[0]}: give them one by "
            "one"
        )
    places = prompts.audio[0].nonzero().flatten().numpy()
    clips, starts, ends = audio_times(located, places, seconds)
    how = generation(located, None, new_tokens=0)
    reader = PromptReader(located, prompts, how, len(named))
    weights: dict[str, Floats] = {}
    for setting in named:
        heard = np.zeros((located.depth, len(places)))

        def note(observation: Observation, heard: Floats = heard) -> None:
            row = observation.weights[0, :, -1].float().mean(dim=0)
            heard[observation.layer] = row[observation.audio[0, 0, 0] > 0].double().cpu().numpy()

        reader.read(setting, note)
        weights[setting.name] = heard
    return Timeline(clips, starts, ends, weights)
