"""From a question and its clips to a model's inputs, and from its output to the answer."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import ArrayLike
from torch import Tensor, nn

from mata_audio.errors import AudioError, SettingsError
from mata_audio.models.audio import Decoded
from mata_audio.models.loading import Loaded
from mata_audio.models.placing import placed
from mata_audio.models.prompter import Prompter


def inputs_for(
    model: nn.Module, processor: Any, question: str, *clips: str | Path | ArrayLike
) -> dict[str, Tensor]:
    """Return the inputs of a model for one question about clips, for its forward pass or generate.

    The prompt is what ``mata ask`` asks: written by the processor's own chat template, in the order
    and with the system prompt that the model's authors use.

    Args:
        model: a supported model that hears, as ``from_pretrained`` returns it.
        processor: the model's processor.
        question: as a person would ask it.
        clips: audio files; or arrays of shape ``(samples,)``, between -1 and 1, at the sampling
            rate of ``processor.feature_extractor``.

    Returns:
        A batch of one, on the model's device and in its dtype.

    Raises:
        UnsupportedModelError: the architecture is not known.
        ModelLoadError: the processor is not one for audio and text, or cannot write prompts.
        SettingsError: the question is empty, contains the audio token, or has more clips than the
            model takes.
        AudioError: a clip cannot be read, or the model cannot hear the whole of it.
    """
    prompter = Prompter.of(Loaded.of(model, processor))
    heard = [_decoded(prompter, clip, place) for place, clip in enumerate(clips, start=1)]
    inputs = prompter.inputs([question], [[clip.samples for clip in heard]])
    return placed([inputs], model)


def answer_text(processor: Any, inputs: Mapping[str, Tensor], output: Any) -> str:
    """Return the text that a model wrote behind a prompt.

    Args:
        processor: the model's processor.
        inputs: what ``generate`` was given, such as from :func:`inputs_for`: a batch of one.
        output: what ``generate`` returned: token ids of shape ``(1, tokens)``, or an object that
            has them as ``sequences``.

    Raises:
        SettingsError: there is not one row, or it does not begin with the prompt.
    """
    tokens: Tensor = getattr(output, "sequences", output)
    prompt = inputs["input_ids"]
    if len(prompt) != 1 or len(tokens) != 1:
        raise SettingsError(
            f"one prompt and one output are needed; got {len(prompt)} and {len(tokens)}: of a "
            "batch, give inputs and output row by row"
        )
    length = prompt.shape[1]
    if not tokens[0, :length].equal(prompt[0]):
        raise SettingsError("the output does not begin with the prompt: give what generate returns")
    text: str = processor.tokenizer.decode(tokens[0, length:], skip_special_tokens=True)
    return text.strip()


def _decoded(prompter: Prompter, clip: str | Path | ArrayLike, place: int) -> Decoded:
    if isinstance(clip, (str, Path)):
        return prompter.load_clip(clip)
    samples = np.asarray(clip)
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        raise AudioError(
            f"clip {place} has shape {samples.shape} and dtype {samples.dtype}: give one channel "
            "of floating-point samples between -1 and 1, or a file"
        )
    file = io.BytesIO()  # so that its length and samples are checked as a file's are
    soundfile.write(file, samples, prompter.limits.sampling_rate, format="WAV", subtype="FLOAT")
    return prompter.decode(file.getvalue(), f"clip {place}")
