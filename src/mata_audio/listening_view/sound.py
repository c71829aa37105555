"""A clip's sound, reduced to what a page shows and plays."""

from __future__ import annotations

import base64
import io
import math
import wave
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MOST_COLUMNS = 600
"""Columns of a waveform, at most."""
MOST_FRAMES, MOST_ROWS = 400, 96
"""Columns and rows of a spectrogram, at most."""
QUIETEST, NEAREST = 60.0, 24.0
"""Decibels below the loudest point at which the picture becomes white: at least and at most that
of the noise that fills a fifth of it."""

_WINDOW = 0.025  # seconds
_NOISE = 0.2  # share of the picture


def wav_uri(samples: ArrayLike, sampling_rate: int) -> str:
    """Return one channel of samples between -1 and 1 as a ``data:`` URI of a 16-bit WAV file."""
    levels = np.round(np.clip(np.asarray(samples, dtype=np.float64), -1, 1) * 32_767)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sampling_rate)
        file.writeframes(levels.astype("<i2").tobytes())
    return "data:audio/wav;base64," + base64.b64encode(content.getvalue()).decode()


def extremes(samples: ArrayLike, most: int = MOST_COLUMNS) -> tuple[Floats, Floats]:
    """Return the lowest and the highest sample of each of at most ``most`` equal stretches."""
    values = np.clip(np.asarray(samples, dtype=np.float64), -1, 1)
    starts = _starts(len(values), most)
    return np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """How loud a clip is along time and frequency.

    Args:
        levels: 255 at the loudest point, linear in decibels down to 0 at the noise of the clip;
            shape ``(rows, columns)``, the lowest frequency first.
        top: highest frequency, in kHz.
    """

    levels: NDArray[np.uint8]
    top: float

    def as_data(self) -> dict[str, Any]:
        """Return the spectrogram as the view takes it."""
        rows, columns = self.levels.shape
        encoded = base64.b64encode(self.levels.tobytes()).decode()
        return {"columns": columns, "rows": rows, "top": self.top, "levels": encoded}


def spectrogram(samples: ArrayLike, sampling_rate: int) -> Spectrogram:
    """Measure a clip in windows of 25 ms, close enough together for a smooth picture."""
    from scipy.signal import stft

    values = np.asarray(samples, dtype=np.float64)
    window = min(len(values), max(16, round(_WINDOW * sampling_rate)))
    hop = min(max(1, window // 2), math.ceil(len(values) / MOST_FRAMES))
    _, _, spectrum = stft(values, sampling_rate, nperseg=window, noverlap=window - hop)
    frames = math.ceil(len(values) / hop)
    power = np.abs(spectrum[:, :frames]) ** 2
    return Spectrogram(levels_of(mean_blocks(power, MOST_ROWS, MOST_FRAMES)), sampling_rate / 2000)


def mean_blocks(values: Floats, rows: int, columns: int) -> Floats:
    """Return the means of blocks of a matrix, at most ``rows`` by ``columns`` of them."""
    down, across = (_starts(n, most) for n, most in zip(values.shape, (rows, columns), strict=True))
    sums = np.add.reduceat(np.add.reduceat(values, down, axis=0), across, axis=1)
    heights = np.diff(np.append(down, values.shape[0]))
    widths = np.diff(np.append(across, values.shape[1]))
    means: Floats = sums / np.outer(heights, widths)
    return means


def levels_of(power: Floats) -> NDArray[np.uint8]:
    """Return powers as levels from 0 to 255; see :class:`Spectrogram`."""
    loudest = power.max(initial=0.0)
    if not loudest > 0:
        return np.zeros(power.shape, dtype=np.uint8)
    decibels = 10 * np.log10(np.maximum(power / loudest, 1e-30))
    depth = np.clip(-np.quantile(decibels, _NOISE), NEAREST, QUIETEST)
    return np.round(255 * np.clip(1 + decibels / depth, 0, 1)).astype(np.uint8)


def _starts(count: int, most: int) -> NDArray[np.int64]:
    """Return where each of at most ``most`` stretches of nearly equal length starts."""
    stretches = min(count, most)
    return np.arange(stretches) * count // max(stretches, 1)
