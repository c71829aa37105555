"""Answers that listen in a known way, made without a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mata_audio.asking import Answer, Heard, Word


def answer(name: str, text: str = "a dog barks") -> Answer:
    """An answer of one token a word: word ``n`` listens to step ``n`` most, in layers 1 and 2."""
    spoken = tuple(Word(f" {own}", n, n) for n, own in enumerate(text.split()))
    edges = np.linspace(0, 1, 11)
    weights = np.full((len(spoken), 4, 2, 10), 0.01, np.float32)
    for n in range(len(spoken)):
        weights[n, 1:3, :, n % 10] = 0.31
    heard = Heard(np.zeros(10, np.int64), edges[:-1], edges[1:], weights)
    tokens = tuple(range(len(spoken)))
    return Answer(name, text, tokens, spoken, (), heard, "", None, (1, 2), 0.0)


def unheard(name: str, why_not: str) -> Answer:
    return replace(answer(name), heard=None, why_not=why_not)
