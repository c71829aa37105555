"""Assembling the page."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from mata_audio.evaluation.report.clips import ClipMedia, playable
from mata_audio.evaluation.report.embedding import embedded_json, page_data
from mata_audio.evaluation.report.facts import Fact, run_facts, title_facts
from mata_audio.evaluation.report.listening_page import VIEW
from mata_audio.evaluation.report.markers import UNHEARD_MARKER, Marker, marker
from mata_audio.evaluation.report.opening import Opening
from mata_audio.evaluation.report.pictures import Picture
from mata_audio.evaluation.report.shell import filled
from mata_audio.evaluation.results.number_format import typeset
from mata_audio.evaluation.results.ranking import HELD_OUT, TUNING, Sweep, sweep_of
from mata_audio.evaluation.results.results import Accuracy, Paired, Results, Row, SettingResult
from mata_audio.evaluation.results.unheard_table import MEANING, unheard_sentence
from mata_audio.evaluation.results.verdict import verdict
from mata_audio.settings.named import BASELINE


@dataclass(frozen=True)
class _Setting:
    """A setting with its place in the run and its figures over all items of a part of it."""

    index: int
    result: SettingResult
    marker: Marker
    accuracy: Accuracy | None
    paired: Paired | None
    uneven: bool


@dataclass(frozen=True)
class _Axis:
    """The part of 0 to 100 % over which intervals are drawn."""

    low: int
    high: int

    def place(self, fraction: float) -> str:
        """Return where ``fraction`` is, in percent of the width."""
        return f"{100 * (100 * fraction - self.low) / (self.high - self.low):.2f}%"


def render_report(
    results: Results,
    clips: Mapping[str, Sequence[ClipMedia]],
    pictures: Sequence[Picture] = (),
    opening: Opening | None = None,
    why_absent: str = "",
) -> str:
    """Return one HTML page with all results. It loads nothing but the audio that it plays.

    Args:
        results: the run's results.
        clips: by item id, from :func:`report_clips`. If some items are missing from them, a note
            on the page says how many clips it has.
        pictures: from :func:`page_pictures`.
        opening: what the demo's page opens with.
        why_absent: a sentence that says why items are missing from ``clips``, shown where their
            players would be; if empty, that they were left out.
    """
    return filled(
        "report.html.j2",
        "report.js",
        *([VIEW] if opening else []),
        listening=opening is not None,
        data=embedded_json(page_data(results, clips, why_absent)),
        pictures=pictures,
        opening=opening,
        view=opening.view if opening else None,
        view_data=embedded_json(opening.view) if opening else "",
        **_context(replace(results, notes=(*results.notes, *_left_out(results, clips)))),
    )


def _left_out(results: Results, clips: Mapping[str, Sequence[ClipMedia]]) -> list[str]:
    """Return a note if the page has the clips of some items only."""
    absent = [item for item in results.items if item.id not in clips]
    if not clips or not absent:
        return []
    here = [clip for own in clips.values() for clip in own]
    playing = sum(playable(clip.source) is not None for clip in here)
    every = len(here) + sum(max(1, len(item.clips)) for item in absent)
    return [f"{playing:,} of {every:,} clips are in this page, those of changed answers first."]


def _context(results: Results) -> dict[str, Any]:
    sweep = sweep_of(results)
    shown = results if sweep is None else sweep.reported
    rows = (shown.overall, *shown.groups)
    places = {setting.name: index for index, setting in enumerate(results.settings)}

    def placed(name: str, row: Row) -> _Setting:
        index = places[name]
        figures = row.accuracy.get(name), row.paired.get(name)
        uneven = not all(own.even(name) for own in (row, *rows))
        return _Setting(index, results.settings[index], marker(index), *figures, uneven)

    settings = [placed(setting.name, shown.overall) for setting in shown.settings]
    title = title_facts(results.run)
    return {
        "title": title,
        "heading": ", ".join(filter(None, (title["task"], title["split"]))) or "Evaluation",
        "settings": settings,
        "baseline": settings[0],
        "compared": settings[1:],
        "overall": shown.overall,
        "held_out": HELD_OUT if sweep else "",
        "tuning": TUNING,
        "sweep": None if sweep is None else _sweep(sweep, placed),
        "unheard": _unheard(shown, len(results.settings)),
        "notes": results.notes,
        "errors": sum(item.error is not None for item in results.items),
        "items": len(results.items),
        "axis": _axis(rows),
        "sections": [(heading, [*own]) for heading, own in groupby(rows, attrgetter("heading"))],
        "facts": (*run_facts(_without_settings(results.run)), _settings_facts(results)),
    }


_NEGATIVE = re.compile(r"(?<= )-(?=\d)")


@dataclass(frozen=True)
class _Ranking:
    """What a sweep found, in words, and the figures that its settings were ranked by."""

    verdict: str
    recommended: bool
    row: Row
    lines: list[_Setting]
    held_out: int


def _sweep(sweep: Sweep, placed: Callable[[str, Row], _Setting]) -> _Ranking:
    names = [setting.name for setting in sweep.results.settings]
    unranked = [name for name in names if name not in (BASELINE, *sweep.ranking)]
    return _Ranking(
        verdict=_NEGATIVE.sub(typeset("-"), verdict(sweep)),
        recommended=sweep.recommended is not None,
        row=sweep.tuning,
        lines=[placed(name, sweep.tuning) for name in (*sweep.ranking, *unranked)],
        held_out=len(sweep.results.items) - len(sweep.tuning_ids),
    )


@dataclass(frozen=True)
class _Unheard:
    """The no-audio arm, in words and by what needs no audio.

    Args:
        index: its place among the answers of an item.
        marker: its marker.
        sentence: how many items are right without the audio.
        meaning: what the table means.
        parts: figures of the items that need no audio, and of the others.
    """

    index: int
    marker: Marker
    sentence: str
    meaning: str
    parts: Sequence[Row]


def _unheard(shown: Results, index: int) -> _Unheard | None:
    sentence = unheard_sentence(shown)
    if shown.unheard is None or sentence is None:
        return None
    return _Unheard(index, UNHEARD_MARKER, sentence, MEANING, shown.unheard.parts)


def _axis(rows: Sequence[Row]) -> _Axis:
    """Return the tens around all intervals."""
    figures = [figure for row in rows for figure in row.accuracy.values() if figure.n]
    low = math.floor(10 * min((figure.low for figure in figures), default=0))
    high = math.ceil(10 * max((figure.high for figure in figures), default=1))
    return _Axis(10 * low, 10 * max(high, low + 1))


def _without_settings(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the run without its settings, which have a section of their own."""
    return {
        name: {key: value for key, value in part.items() if key != "settings"}
        if name in ("identity", "facts") and isinstance(part, Mapping)
        else part
        for name, part in run.items()
    }


def _settings_facts(results: Results) -> Fact:
    identity = results.run.get("identity")
    stored = identity.get("settings") if isinstance(identity, Mapping) else None
    described = {}
    for setting in results.answered:
        own = stored.get(setting.name) if isinstance(stored, Mapping) else None
        tuned_on = own.get("tuned_on") if isinstance(own, Mapping) else None
        described[setting.name] = {
            "description": setting.description,
            **(setting.method or {}),
            **({"tuned_on": tuned_on} if tuned_on else {}),
        }
    (section,) = run_facts({"settings": described})
    return section
