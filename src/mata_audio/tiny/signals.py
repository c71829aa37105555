"""Building blocks of the synthesiser: tones, noise, envelopes. All arrays are float64 at 16 kHz."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

SAMPLE_RATE = 16_000

Signal = NDArray[np.float64]


def samples(seconds: float) -> int:
    """Number of samples in ``seconds``."""
    return round(seconds * SAMPLE_RATE)


def phase(hertz: float | Signal, length: int) -> Signal:
    """Phase in cycles of an oscillator with a constant or sample-by-sample frequency."""
    return np.cumsum(np.broadcast_to(np.asarray(hertz, dtype=float), (length,))) / SAMPLE_RATE


def tone(hertz: float | Signal, length: int, partials: tuple[float, ...] = (1.0,)) -> Signal:
    """Sum of harmonics with the given amplitudes, without those above 7.5 kHz."""
    cycles = phase(hertz, length)
    highest = float(np.max(hertz))
    wave = np.zeros(length)
    for number, amplitude in enumerate(partials, start=1):
        if amplitude and number * highest < 7_500:
            wave += amplitude * np.sin(2 * np.pi * number * cycles)
    return wave


def coloured_noise(rng: np.random.Generator, length: int, smoothness: float = 0.0) -> Signal:
    """White noise through a one-pole low-pass; ``smoothness`` in [0, 1) darkens it."""
    return lfilter([1.0], [1.0, -smoothness], rng.normal(size=length))


def resonate(signal: Signal, hertz: float, bandwidth: float) -> Signal:
    """Two-pole resonator with unit gain at its centre, the usual model of a formant."""
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    angle = 2 * np.pi * hertz / SAMPLE_RATE
    gain = (1 - radius) * np.sqrt(1 - 2 * radius * np.cos(2 * angle) + radius**2)
    return lfilter([gain], [1.0, -2 * radius * np.cos(angle), radius**2], signal)


def fade(signal: Signal, seconds: float = 0.01) -> Signal:
    """Raised-cosine fade at both ends, so that events start and stop without clicks."""
    ramp_length = min(samples(seconds), len(signal) // 2)
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(ramp_length) / max(ramp_length, 1))
    faded = signal.copy()
    faded[:ramp_length] *= ramp
    faded[len(signal) - ramp_length :] *= ramp[::-1]
    return faded


def unit_power(signal: Signal) -> Signal:
    """``signal`` scaled to root mean square 1; silence is returned unchanged."""
    level = np.sqrt(np.mean(signal**2))
    return signal / level if level > 0 else signal


def place(length: int, pieces: list[tuple[int, Signal]]) -> Signal:
    """Silence of ``length`` samples plus each piece at its start sample, cut at the end."""
    canvas = np.zeros(length)
    for start, piece in pieces:
        room = max(0, min(len(piece), length - start))
        canvas[start : start + room] += piece[:room]
    return canvas
