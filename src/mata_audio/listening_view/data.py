"""From a clip and answers about it to the JSON data of the view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mata_audio.listening_view.sound import extremes, spectrogram, wav_uri
from mata_audio.notation.layers import format_indices
from mata_audio.settings.colours import COLOURS

if TYPE_CHECKING:
    from mata_audio.asking import Answer, Heard
    from mata_audio.steering.receipt import Receipt

Kind = Literal["baseline", "steered", "probe-baseline", "probe-steered"]

_BROKEN = "it holds values that are not finite numbers"


def listening_data(
    clip: Mapping[str, Any],
    question: str,
    answers: Sequence[Mapping[str, Any]],
    *,
    right: str = "",
    note: str = "",
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Return the data of one view.

    Args:
        clip: from :func:`clip_data`.
        question: as it was asked.
        answers: from :func:`answer_data`, the baseline's first.
        right: the right answer; empty if it is not known.
        note: over what attention is averaged, in words; empty for what the next two say.
        layers: those over which ``answers`` average attention; None for all.
        heads: the same for heads.
    """
    chosen = {"layers": _listed(layers), "heads": _listed(heads)}
    return {
        "clip": dict(clip),
        "question": question,
        "right": right,
        "note": note or _averaged(layers, heads),
        "chosen": chosen,
        "answers": [dict(answer) for answer in answers],
    }


def clip_data(name: str, samples: ArrayLike, sampling_rate: int) -> dict[str, Any]:
    """Return a clip as the view shows and plays it.

    Args:
        name: its name.
        samples: what the model heard, one channel, at least one finite sample.
        sampling_rate: in Hz.
    """
    low, high = extremes(samples)
    return {
        "name": name,
        "seconds": rounded(np.size(samples) / sampling_rate, digits=6),
        "audio": wav_uri(samples, sampling_rate),
        "low": rounded(low),
        "high": rounded(high),
        "spectrogram": spectrogram(samples, sampling_rate).as_data(),
    }


def answer_data(
    answer: Answer,
    kind: Kind,
    *,
    clip: int = 0,
    description: str = "",
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    correct: bool | None = None,
    place: int = 0,
) -> dict[str, Any]:
    """Return an answer as the view shows it.

    Args:
        answer: from :meth:`mata_audio.asking.Asker.answer`.
        kind: whose colour it has.
        clip: number of the clip that is shown; attention on other clips is left out.
        description: the setting in words.
        layers: those over which attention along time is averaged; None for all.
        heads: the same for heads.
        correct: whether it is right; None if that is not known.
        place: place of its setting in a run, for the colour that it has there; 0 for the next one.
    """
    why_not = answer.why_not
    heard = answer.heard
    if heard is not None and not np.isfinite(heard.weights).all():
        heard, why_not = None, _BROKEN
    return {
        "name": answer.name,
        "kind": kind,
        "description": description,
        "text": answer.text,
        "receipt": "" if answer.receipt is None else receipt_line(answer.receipt),
        "why_not": why_not,
        "correct": correct,
        "colour": place and (place - 1) % len(COLOURS) + 1,
        "words": [word.text for word in answer.words],
        "first_words": [
            [text, rounded(p)] for text, p in answer.likeliest.items() if np.isfinite(p)
        ],
        "layers": list(answer.layers),
        **_attention(answer, heard, clip, layers, heads),
    }


def _attention(
    answer: Answer,
    heard: Heard | None,
    clip: int,
    layers: Sequence[int] | None,
    heads: Sequence[int] | None,
) -> dict[str, Any]:
    """Return the attention of each word along time, and by layer and head."""
    if heard is None or not answer.words:
        return {name: [] for name in ("starts", "ends", "by_word", "map", "maps")}
    here = heard.clips == clip
    maps = np.stack([heard.by_head(word, clip) for word in answer.words])
    along = [heard.along_time(word, layers, heads)[here] for word in answer.words]
    return {
        "starts": rounded(heard.starts[here], digits=6),
        "ends": rounded(heard.ends[here], digits=6),
        "by_word": rounded(np.stack(along)),
        "map": rounded(maps.mean(axis=0)),
        "maps": rounded(maps),
    }


def receipt_line(receipt: Receipt) -> str:
    """Return what a setting did in one line."""
    said = []
    if receipt.mass_before is not None and receipt.mass_after is not None:
        said.append(
            f"attention to audio {_percent(receipt.mass_before)} → {_percent(receipt.mass_after)}"
        )
    layers = format_indices(receipt.layers) or "none"
    said.append(f"{receipt.active_rows:,} rows changed in layers {layers} of {receipt.depth}")
    if receipt.negative_share is not None:
        said.append(f"{_percent(receipt.negative_share)} of scores below zero")
    return "; ".join(said)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def rounded(values: ArrayLike, digits: int = 4) -> Any:
    """Return numbers as JSON types, rounded to ``digits`` significant digits."""
    array: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        return float(f"{array:.{digits}g}")
    if array.ndim == 1:
        return [float(f"{value:.{digits}g}") for value in array.tolist()]
    return [rounded(part, digits) for part in array]


def _listed(numbers: Sequence[int] | None) -> list[int] | None:
    return None if numbers is None else [int(number) for number in numbers]


def _averaged(layers: Sequence[int] | None, heads: Sequence[int] | None) -> str:
    return f"mean over {_of('layer', layers)} and {_of('head', heads)}"


def _of(name: str, numbers: Sequence[int] | None) -> str:
    if numbers is None:
        return f"all {name}s"
    return f"{name}{'s' if len(numbers) > 1 else ''} {format_indices(tuple(sorted(numbers)))}"
