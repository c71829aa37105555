"""The page's data as JSON that is safe inside HTML, whatever a model wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from mata_audio.evaluation.report.clips import ClipMedia, playable
from mata_audio.evaluation.results.number_format import seconds, typeset
from mata_audio.evaluation.results.ranking import HELD_OUT, TUNING
from mata_audio.evaluation.results.results import ClipHeard, ItemResult, Results

_ESCAPED = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


PART = "part of the sweep"
"""Key of the grouping of a sweep's items into held-out and tuning items."""


def embedded_json(value: Any) -> Markup:
    """Return ``value`` as JSON that can neither open nor end an element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escape in _ESCAPED.items():
        text = text.replace(character, escape)
    return Markup(text)


def groupings(results: Results) -> dict[str, tuple[str, list[str]]]:
    """Return heading and names of each grouping by its key, in the benchmark's order."""
    found: dict[str, tuple[str, dict[str, None]]] = {}
    for row in results.groups:
        found.setdefault(row.grouping, (row.heading, {}))[1].setdefault(row.name)
    for item in results.items:
        for key, name in item.groups.items():
            found.setdefault(key, (key, {}))[1].setdefault(name)
    return {key: (heading, list(names)) for key, (heading, names) in found.items()}


def page_data(results: Results, clips: Mapping[str, Sequence[ClipMedia]]) -> dict[str, Any]:
    """Return the data that the page's script needs."""
    known = groupings(results)
    tuning = set(results.tuning_ids)
    parts = (
        [{"key": PART, "heading": "Part of the sweep", "names": [HELD_OUT, TUNING]}]
        if tuning
        else []
    )
    names = [setting.name for setting in results.settings]
    return {
        "settings": names,
        "part": PART,
        "groupings": [
            *parts,
            *(
                {"key": key, "heading": heading, "names": members}
                for key, (heading, members) in known.items()
            ),
        ],
        "items": [
            {
                "id": item.id,
                "question": item.question,
                "choices": item.choices,
                "answer": item.answer,
                "groups": [
                    *([TUNING if item.id in tuning else HELD_OUT] if parts else []),
                    *(item.groups.get(key) for key in known),
                ],
                "clips": _clips(item, clips.get(item.id, ())),
                "answers": [_answer(item, name) for name in names],
                "error": item.error,
            }
            for item in results.items
        ],
    }


def _answer(item: ItemResult, setting: str) -> dict[str, Any] | None:
    answer = item.answers.get(setting)
    if answer is None:
        return None
    correct = None if answer.correct is None else bool(answer.correct)  # it may be NumPy's
    return {"raw": answer.raw, "read": answer.read, "correct": correct}


def _clips(item: ItemResult, media: Sequence[ClipMedia]) -> list[dict[str, str | None]]:
    """Return the clips in ``media``, then those that the model heard but ``media`` lacks."""
    heard = list(item.clips)
    shown: list[dict[str, str | None]] = []
    for clip in media:
        match = next((one for one in heard if one.name == clip.name), None)
        if match:
            heard.remove(match)
        length = _length(match) if match else ""
        shown.append({"name": clip.name, "length": length, "source": playable(clip.source)})
    return shown + [{"name": one.name, "length": _length(one), "source": None} for one in heard]


def _length(clip: ClipHeard) -> str:
    return typeset(seconds(clip.seconds, clip.heard))
