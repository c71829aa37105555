"""Speech by formant synthesis: vowels, five short words, voice pitch and intonation.

A glottal pulse train goes through four resonators (the formants); a diphthong cross-fades two
such filters; ``s`` and ``sh`` are band-passed noise before the vowel.
"""

import numpy as np
from scipy.signal import lfilter

from mata_audio.tiny.signals import (
    SAMPLE_RATE,
    Signal,
    fade,
    phase,
    place,
    resonate,
    samples,
    unit_power,
)

# First three formants in hertz of an adult voice (after Peterson and Barney, 1952).
FORMANTS = {
    "ah": (730, 1_090, 2_440),
    "ee": (270, 2_290, 3_010),
    "oo": (300, 870, 2_240),
    "eh": (530, 1_840, 2_480),
}
FOURTH_FORMANT = 3_500
BANDWIDTHS = (80, 100, 140, 200)

# A word is an optional fricative, then a glide from one vowel to another.
WORDS = {
    "see": ("s", "ee", "ee"),
    "shoe": ("sh", "oo", "oo"),
    "eye": ("", "ah", "ee"),
    "you": ("", "ee", "oo"),
    "we": ("", "oo", "ee"),
}
FRICATIVES = {"s": (5_500, 1_500), "sh": (2_800, 900)}

LOW_VOICE = (85.0, 130.0)
HIGH_VOICE = (190.0, 290.0)


def glottal_pulses(rng: np.random.Generator, pitch: Signal) -> Signal:
    """Pulse train at ``pitch`` (hertz, one value a sample), with a voice's falling spectrum."""
    cycles = phase(pitch, len(pitch)) + rng.uniform()
    pulses = np.diff(np.floor(cycles), prepend=np.floor(cycles[0]))
    breath = 0.01 * rng.normal(size=len(pitch))
    return lfilter([1.0], [1.0, -0.9], pulses + breath)


def vowel_filter(source: Signal, vowel: str, tract: float) -> Signal:
    """``source`` through the formants of ``vowel``, scaled by ``tract`` (shorter tract > 1)."""
    centres = (*FORMANTS[vowel], FOURTH_FORMANT)
    spoken = np.zeros(len(source))
    for index, (centre, width) in enumerate(zip(centres, BANDWIDTHS, strict=True)):
        spoken += resonate(source, centre * tract, width) / (1 + index)
    return spoken


def pitch_contour(
    rng: np.random.Generator, length: int, voice: tuple[float, float], glide: float = 0.0
) -> Signal:
    """Hertz for each sample: a random pitch of the voice, gliding by ``glide`` octaves."""
    middle = rng.uniform(*voice)
    wobble = 0.02 * np.sin(2 * np.pi * (5 * np.arange(length) / SAMPLE_RATE + rng.uniform()))
    return middle * 2 ** (glide * np.linspace(-0.5, 0.5, length) + wobble)


def voiced(rng: np.random.Generator, pitch: Signal, start: str, end: str) -> Signal:
    """A vowel, or a glide between two, spoken at ``pitch``."""
    source, tract = glottal_pulses(rng, pitch), rng.uniform(0.95, 1.12)
    spoken = vowel_filter(source, start, tract)
    if end != start:
        mix = np.clip(np.linspace(-0.6, 1.6, len(pitch)), 0, 1)
        spoken = (1 - mix) * spoken + mix * vowel_filter(source, end, tract)
    return fade(unit_power(spoken), 0.03)


def any_voice(rng: np.random.Generator) -> tuple[float, float]:
    """Pitch range of a random speaker."""
    return LOW_VOICE if rng.random() < 0.5 else HIGH_VOICE


def vowel(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """A held vowel; ``answer`` names it."""
    pitch = pitch_contour(rng, samples(seconds), any_voice(rng), rng.uniform(-0.3, 0.3))
    return voiced(rng, pitch, answer, answer)


def word(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """One of five words said once, somewhere in the clip."""
    fricative, start, end = WORDS[answer]
    spoken_seconds = seconds * rng.uniform(0.45, 0.65)
    pitch = pitch_contour(rng, samples(spoken_seconds), any_voice(rng), rng.uniform(-0.4, 0.0))
    spoken = voiced(rng, pitch, start, end)
    if fricative:
        noise = rng.normal(size=samples(rng.uniform(0.14, 0.22)))
        hiss = unit_power(resonate(noise, *FRICATIVES[fricative]))
        spoken = np.concatenate([fade(0.6 * hiss, 0.03), spoken])
    length = samples(seconds)
    return place(length, [(int(rng.integers(max(length - len(spoken), 1))), spoken)])


def voice(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """Two syllables by a ``high`` or a ``low`` voice."""
    speaker = HIGH_VOICE if answer == "high" else LOW_VOICE
    pitch = pitch_contour(rng, samples(seconds), speaker, rng.uniform(-0.3, 0.3))
    start, end = rng.choice(list(FORMANTS), size=2)
    return voiced(rng, pitch, str(start), str(end))


def intonation(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """A vowel whose pitch goes up (``question``) or down (``statement``)."""
    glide = rng.uniform(0.7, 1.1) * (1 if answer == "question" else -1)
    pitch = pitch_contour(rng, samples(seconds), HIGH_VOICE, glide)
    start, end = rng.choice(list(FORMANTS), size=2)
    return voiced(rng, pitch, str(start), str(end))
