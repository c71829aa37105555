"""The page's data as JSON that is safe inside HTML, whatever a model wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup

from mata_audio.evaluation.report.clips import ClipMedia, playable
from mata_audio.evaluation.report.markers import UNHEARD_MARKER, marker
from mata_audio.evaluation.results.number_format import seconds, typeset
from mata_audio.evaluation.results.ranking import HELD_OUT, TUNING
from mata_audio.evaluation.results.results import ClipHeard, ItemResult, Results
from mata_audio.evaluation.results.without_audio import (
    NOT_RIGHT,
    RIGHT,
    WITHOUT_AUDIO,
    part_of,
)

_ESCAPED = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}

_ELSEWHERE = "This page plays only clips that are in it, or files beside it."

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


@dataclass(frozen=True)
class _Filter:
    """A way to choose items by group: its groups' names, and the group of an item."""

    key: str
    heading: str
    names: Sequence[str]
    group: Callable[[ItemResult], str | None]


def _filters(results: Results) -> Iterator[_Filter]:
    tuning = set(results.tuning_ids)
    if tuning:
        names = (HELD_OUT, TUNING)
        yield _Filter(PART, "Part of the sweep", names, partial(_part, tuning))
    if results.unheard is not None:
        yield _Filter(WITHOUT_AUDIO, WITHOUT_AUDIO.capitalize(), (RIGHT, NOT_RIGHT), part_of)
    for key, (heading, members) in groupings(results).items():
        yield _Filter(key, heading, members, partial(_group, key))


def _part(tuning: Collection[str], item: ItemResult) -> str:
    return TUNING if item.id in tuning else HELD_OUT


def _group(key: str, item: ItemResult) -> str | None:
    return item.groups.get(key)


def page_data(
    results: Results, clips: Mapping[str, Sequence[ClipMedia]], why_absent: str = ""
) -> dict[str, Any]:
    """Return the data that the page's script needs.

    Each item has at least one clip; one without a source has a sentence that says why.

    Items have an answer for each of ``answered``: ``settings``, then the no-audio arm if it was
    run. ``colours`` has the name of each answer's colour.
    """
    filters = list(_filters(results))
    answered = [setting.name for setting in results.answered]
    return {
        "settings": [setting.name for setting in results.settings],
        "answered": answered,
        "colours": [marker(index).colour for index, _ in enumerate(results.settings)]
        + [UNHEARD_MARKER.colour] * (len(answered) - len(results.settings)),
        "part": PART,
        "groupings": [
            {"key": own.key, "heading": own.heading, "names": own.names} for own in filters
        ],
        "items": [
            {
                "id": item.id,
                "question": item.question,
                "choices": item.choices,
                "answer": item.answer,
                "groups": [own.group(item) for own in filters],
                "clips": _clips(item, clips, why_absent),
                "answers": [_answer(item, name) for name in answered],
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


def _clips(
    item: ItemResult, clips: Mapping[str, Sequence[ClipMedia]], why_absent: str
) -> list[dict[str, str | None]]:
    """Return an item's clips in ``clips``, then those that the model heard but ``clips`` lacks."""
    media = clips.get(item.id, ())
    heard = list(item.clips)
    shown: list[dict[str, str | None]] = []
    for clip in media:
        match = next((one for one in heard if one.name == clip.name), None)
        if match:
            heard.remove(match)
        length = _length(match) if match else ""
        source = playable(clip.source)
        why = "" if source else clip.why or _ELSEWHERE
        shown.append({"name": clip.name, "length": length, "source": source, "why": why})
    names = [(one.name, _length(one)) for one in heard]
    if not shown and not names:  # none was read
        names = [("", "")]
    return shown + [
        {"name": name, "length": length, "source": None, "why": why_absent or _why(item, clips)}
        for name, length in names
    ]


def _why(item: ItemResult, clips: Mapping[str, Sequence[ClipMedia]]) -> str:
    """Return why a clip of an item is not in ``clips``."""
    if not clips:
        return "This page was made without the clips."
    if item.id in clips:
        return "The benchmark had no clip of this name any more when this page was made."
    return "This clip was left out to keep the page small."


def _length(clip: ClipHeard) -> str:
    return typeset(seconds(clip.seconds, clip.heard))
