"""Sound events: six everyday sources, countable beeps, swelling noise and pairs of events."""

import numpy as np

from mata_audio.tiny.signals import (
    SAMPLE_RATE,
    Signal,
    coloured_noise,
    fade,
    phase,
    place,
    resonate,
    samples,
    tone,
    unit_power,
)


def bell(rng: np.random.Generator, length: int) -> Signal:
    """Decaying inharmonic partials."""
    base = rng.uniform(500, 900)
    time = np.arange(length) / SAMPLE_RATE
    struck = np.zeros(length)
    for ratio in (1.0, 2.0, 2.76, 5.4):
        struck += np.sin(2 * np.pi * base * ratio * time) * np.exp(-time * (2 + ratio)) / ratio
    return struck


def siren(rng: np.random.Generator, length: int) -> Signal:
    """A tone that sweeps up and down a few times per second."""
    time = np.arange(length) / SAMPLE_RATE
    sweep = np.sin(2 * np.pi * (rng.uniform(2, 3.5) * time + rng.uniform()))
    return tone(rng.uniform(800, 1_000) * 2 ** (0.6 * sweep), length, (1.0, 0.4, 0.2))


def buzzer(rng: np.random.Generator, length: int) -> Signal:
    """A low square wave."""
    return np.sign(np.sin(2 * np.pi * phase(rng.uniform(90, 140), length)))


def whistle(rng: np.random.Generator, length: int) -> Signal:
    """A high, fluttering pure tone."""
    time = np.arange(length) / SAMPLE_RATE
    flutter = 1 + 0.02 * np.sin(2 * np.pi * rng.uniform(20, 30) * time)
    return tone(rng.uniform(2_300, 3_200) * flutter, length)


def drum(rng: np.random.Generator, length: int) -> Signal:
    """Repeated low thumps."""
    hit_length = samples(0.15)
    time = np.arange(hit_length) / SAMPLE_RATE
    sweep = 60 + rng.uniform(60, 120) * np.exp(-time * 30)
    hit = np.sin(2 * np.pi * phase(sweep, hit_length)) * np.exp(-time * 20)
    hit += 0.3 * rng.normal(size=hit_length) * np.exp(-time * 150)
    period = samples(rng.uniform(0.2, 0.3))
    return place(length, [(start, hit) for start in range(0, length, period)])


def rain(rng: np.random.Generator, length: int) -> Signal:
    """Hiss with many short drops."""
    drops = rng.normal(size=length) * (rng.random(length) < 0.004) * 8
    return np.diff(coloured_noise(rng, length + 1, 0.3)) + resonate(drops, 4_000, 1_500)


EVENTS = {
    "bell": bell,
    "siren": siren,
    "buzzer": buzzer,
    "whistle": whistle,
    "drum": drum,
    "rain": rain,
}


def event(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """One source for the whole clip; ``answer`` names it."""
    return fade(EVENTS[answer](rng, samples(seconds)))


def first_of_two(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """Two different sources, one after the other; ``answer`` names the first."""
    other = str(rng.choice([name for name in EVENTS if name != answer]))
    length = samples(seconds)
    split = round(length * rng.uniform(0.4, 0.6))
    first = fade(unit_power(EVENTS[answer](rng, split)))
    second = fade(unit_power(EVENTS[other](rng, length - split)))
    return np.concatenate([first, second])


COUNTS = {"one beep": 1, "two beeps": 2, "three beeps": 3}


def beeps(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """One to three equal beeps at jittered places; ``answer`` says how many."""
    length, count = samples(seconds), COUNTS[answer]
    beep = fade(tone(rng.uniform(900, 1_400), samples(rng.uniform(0.14, 0.18)), (1.0, 0.3)))
    slot = length // 3
    room = max(slot - len(beep) - samples(0.06), 1)
    slots = sorted(rng.choice(3, size=count, replace=False))
    return place(length, [(int(s) * slot + int(rng.integers(room)), beep) for s in slots])


def loudness(rng: np.random.Generator, answer: str, seconds: float) -> Signal:
    """A steady hum or hiss whose level changes by 12 to 24 dB: ``louder`` or ``quieter``."""
    length = samples(seconds)
    if rng.random() < 0.5:
        steady = tone(rng.uniform(200, 800), length, (1.0, 0.6, 0.4, 0.3))
    else:
        steady = coloured_noise(rng, length, rng.uniform(0.0, 0.8))
    direction = 1 if answer == "louder" else -1
    decibels = direction * rng.uniform(12, 24) * np.linspace(-0.5, 0.5, length)
    return fade(steady * 10 ** (decibels / 20))
