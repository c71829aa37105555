"""Answers whose attention is made up, as the listening view gets them, and a page that hosts it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from mata_audio.asking import Answer, FirstWord, Heard, Word
from mata_audio.evaluation.report.embedding import embedded_json
from mata_audio.listening_view import answer_data, clip_data, listening_data, script, style

RATE = 8_000
LAYERS, HEADS, STEPS, SECONDS = 6, 4, 20, 2.0
BASELINE_WORDS = ("a", " slow", " drum")
STEERED_WORDS = ("a", " fast", " drum", " solo")


def made_up(
    name: str,
    words: Sequence[str],
    *,
    seed: int = 0,
    layers: int = LAYERS,
    heads: int = HEADS,
    steps: int = STEPS,
    seconds: float = SECONDS,
    first: Sequence[tuple[str, float]] = (("fast", 0.6), ("slow", 0.3), ("<|end|>", 0.01)),
    steered: Sequence[int] = (),
) -> Answer:
    """An answer of one token a word; word i listens most around step 2 + 5 i."""
    rng = np.random.default_rng(seed)
    weights = rng.random((len(words), layers, heads, steps)).astype(np.float32)
    for place in range(len(words)):
        weights[place, :, :, (2 + 5 * place) % steps] += 30
    weights *= 0.6 / weights.sum(axis=3, keepdims=True)
    edges = np.linspace(0, seconds, steps + 1)
    return Answer(
        name=name,
        text="".join(words).strip(),
        tokens=tuple(range(len(words))),
        words=tuple(Word(word, place, place) for place, word in enumerate(words)),
        first_words=tuple(FirstWord(*own) for own in first),
        heard=Heard(np.zeros(steps, np.int64), edges[:-1], edges[1:], weights),
        why_not="",
        receipt=None,
        layers=tuple(steered),
        seconds=0.1,
    )


def tone(seconds: float = SECONDS) -> np.ndarray[Any, np.dtype[np.float64]]:
    time = np.arange(round(RATE * seconds)) / RATE
    return 0.5 * np.sin(2 * np.pi * 440 * time) * (0.2 + time / seconds)


def small(**changes: Any) -> dict[str, Any]:
    """A view of two answers about two seconds of sound."""
    data = listening_data(
        clip_data("clip.wav", tone(), RATE),
        "What plays?",
        [
            answer_data(made_up("baseline", BASELINE_WORDS), "baseline", correct=False),
            answer_data(
                made_up(
                    "MATA",
                    STEERED_WORDS,
                    seed=1,
                    steered=(2, 3),
                    first=[("fast", 0.8), ("so", 0.1)],
                ),
                "steered",
                description="multiply, alpha 2",
                correct=True,
            ),
        ],
        right="a fast drum solo",
    )
    return {**data, **changes}


def large(words: int = 60, layers: int = 28, heads: int = 28, steps: int = 750) -> dict[str, Any]:
    """A view of half a minute, a long answer and a large model."""
    text = [("" if n == 0 else " ") + f"word{n}" for n in range(words)]
    own = {"layers": layers, "heads": heads, "steps": steps, "seconds": 30.0}
    rng = np.random.default_rng(2)
    sound = 0.1 * rng.standard_normal(30 * 16_000)
    answers = [
        answer_data(made_up("baseline", text, **own), "baseline"),
        answer_data(made_up("MATA", text, seed=1, steered=range(10, 21), **own), "steered"),
    ]
    return listening_data(clip_data("long.wav", sound, 16_000), "What is said?", answers)


def hosted(data: dict[str, Any], host: bool = True, options: str = "", page: str = "") -> str:
    """A page with the view under the report's policy.

    Args:
        data: of the view.
        host: whether events are taken; they are in ``window.events``.
        options: more options of ``mount``, as script.
        page: class of the page's body.
    """
    events = "onEvent: (name, detail) => window.events.push([name, detail])," if host else ""
    code = f"""{script()}
window.events = [];
window.data = JSON.parse(document.getElementById("data").textContent);
window.view = ListeningView.mount(document.getElementById("view"), {{ {events} {options} }});
window.view.update(window.data);"""
    look = f"body {{ margin: 8px; }}\n{style()}"
    policy = (
        f"default-src 'none'; script-src '{_hash(code)}'; style-src '{_hash(look)}'; "
        "media-src data:; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>host</title>
<link rel="icon" href="data:,"><style>{look}</style></head>
<body class="{page}"><div id="view"></div>
<script type="application/json" id="data">{embedded_json(data)}</script>
<script>{code}</script></body></html>"""


def as_script(data: dict[str, Any]) -> str:
    """``data`` as an expression of JavaScript."""
    return json.dumps(data)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
