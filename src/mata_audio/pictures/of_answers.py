"""Pictures of answers to one question: each clip above the attention to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mata_audio.errors import SettingsError
from mata_audio.pictures.style import content
from mata_audio.pictures.timeline import listening
from mata_audio.profiling import Timeline
from mata_audio.storage.atomic_file import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mata_audio.asking import Answer, Prompt
    from mata_audio.models.audio import Decoded


def answer_pictures(
    prompt: Prompt, answers: Sequence[Answer], sampling_rate: int, names: Sequence[str]
) -> list[Figure]:
    """Draw each clip of a question above the attention of the answers; mean over their tokens.

    Args:
        prompt: the question.
        answers: to it. Attention is averaged over the layers that the last one steers; answers
            whose attention cannot be shown are left out.
        sampling_rate: of the prompt's clips, in Hz.
        names: of the clips.

    Raises:
        SettingsError: no attention can be shown of any answer.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    shown = [answer for answer in answers if answer.heard is not None]
    if not shown:
        raise SettingsError(f"there is no attention to draw: {answers[0].why_not}")
    heard = shown[0].heard
    assert heard is not None
    found = Timeline(
        heard.clips,
        heard.starts,
        heard.ends,
        {
            own.name: own.heard.weights.mean(axis=(0, 2), dtype=np.float64)
            for own in shown
            if own.heard is not None
        },
    )
    return [
        listening(
            found, clip.samples, sampling_rate, clip=number, layers=answers[-1].layers or None,
            over="the answer's tokens, heads", unit="step",
            of=f"{_which(names, number, clip)}: {prompt.question}",
        )
        for number, clip in enumerate(prompt.clips)
    ]  # fmt: skip


def save_answers(
    path: Path,
    prompt: Prompt,
    answers: Sequence[Answer],
    sampling_rate: int,
    names: Sequence[str],
) -> list[Path]:
    """Write the pictures, each whole or not at all; return their files.

    Args:
        path: of the first clip's; the second is written to ``NAME_2``, and so on. Its suffix is
            ``.png`` or ``.svg``.
        prompt, answers, sampling_rate, names: as for :func:`answer_pictures`; so are the errors.
    """
    written = []
    for number, figure in enumerate(answer_pictures(prompt, answers, sampling_rate, names)):
        name = f"{path.stem}_{number + 1}{path.suffix}" if number else path.name
        written.append(path.with_name(name))
        write_atomically(written[-1], content(figure, path.suffix[1:].lower()))
    return written


def _which(names: Sequence[str], number: int, clip: Decoded) -> str:
    which = f", clip {number + 1} of {len(names)}" if len(names) > 1 else ""
    heard = f", first {clip.heard:.1f} of {clip.seconds:.1f} s" if clip.is_cut else ""
    return f"{names[number]}{which}{heard}"
