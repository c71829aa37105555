"""Music: short melodies, chords, tempi and four instruments."""

import numpy as np

from mata_audio.tiny.signals import (
    SAMPLE_RATE,
    Signal,
    coloured_noise,
    fade,
    place,
    samples,
    tone,
)

PARTIALS = {
    "flute": (1.0, 0.15, 0.05),
    "organ": (1.0, 0.8, 0.1, 0.7, 0.0, 0.1, 0.0, 0.6),
    "piano": (1.0, 0.6, 0.4, 0.3, 0.2, 0.1),
    "violin": tuple(1 / number for number in range(1, 13)),
}

CHORD_ROOTS = (0, 2, 4, 7, 9)
CHORD_INSTRUMENTS = ("organ", "piano")
MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19)


def semitones_above(hertz: float, semitones: float) -> float:
    """Equal-tempered frequency ``semitones`` above ``hertz``."""
    return hertz * 2 ** (semitones / 12)


def note(rng: np.random.Generator, instrument: str, hertz: float, seconds: float) -> Signal:
    """One note of one of the four instruments, roughly unit amplitude."""
    length = samples(seconds)
    time = np.arange(length) / SAMPLE_RATE
    pitch: float | Signal = hertz
    if instrument == "violin":
        pitch = hertz * (1 + 0.012 * np.sin(2 * np.pi * rng.uniform(5, 7) * time))
    wave = tone(pitch, length, PARTIALS[instrument])
    if instrument == "piano":
        wave = wave * np.exp(-time * 5)
    if instrument == "flute":
        wave = wave + 0.08 * coloured_noise(rng, length, 0.5)
    return fade(wave, 0.04 if instrument in ("flute", "violin") else 0.01)


def any_instrument(rng: np.random.Generator) -> str:
    """A random instrument name."""
    return str(rng.choice(list(PARTIALS)))


def melody(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """Four to six notes of a scale, all ``rising`` or all ``falling``."""
    count = int(rng.integers(4, 7))
    degrees = np.sort(rng.choice(len(MAJOR_SCALE), size=count, replace=False))
    if answer == "falling":
        degrees = degrees[::-1]
    root, instrument, slot = rng.uniform(220, 440), any_instrument(rng), seconds / count
    pitches = [semitones_above(root, MAJOR_SCALE[degree]) for degree in degrees]
    return place(
        samples(seconds),
        [(samples(i * slot), note(rng, instrument, p, slot)) for i, p in enumerate(pitches)],
    )


def mode(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """A ``major`` or ``minor`` triad on one of five roots, its notes entering one by one."""
    third = 4 if answer == "major" else 3
    root = semitones_above(523.25, int(rng.choice(CHORD_ROOTS)))
    instrument = str(rng.choice(CHORD_INSTRUMENTS))
    stagger = rng.uniform(0.15, 0.25)
    pieces = []
    for index, step in enumerate((0, third, 7)):
        start = index * stagger
        pitch = semitones_above(root, step + rng.uniform(-0.1, 0.1))
        pieces.append((samples(start), note(rng, instrument, pitch, seconds - start)))
    return place(samples(seconds), pieces)


def tempo(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """Random notes at about 2.5 (``slow``) or 7 (``fast``) per second."""
    rate = rng.uniform(6, 8.5) if answer == "fast" else rng.uniform(2, 3.2)
    root, instrument = rng.uniform(250, 500), any_instrument(rng)
    pieces = []
    for start in np.arange(0, seconds - 0.5 / rate, 1 / rate):
        pitch = semitones_above(root, MAJOR_SCALE[rng.integers(8)])
        pieces.append((samples(start), note(rng, instrument, pitch, 0.8 / rate)))
    return place(samples(seconds), pieces)


def instrument(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """Two or three long notes on the instrument that ``answer`` names."""
    count = int(rng.integers(2, 4))
    root, slot = rng.uniform(250, 500), seconds / count
    pieces = []
    for index in range(count):
        pitch = semitones_above(root, MAJOR_SCALE[rng.integers(8)])
        pieces.append((samples(index * slot), note(rng, answer, pitch, slot)))
    return place(samples(seconds), pieces)
