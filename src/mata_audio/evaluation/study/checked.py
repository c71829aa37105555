"""Whether a study's figures fit together: what somebody sent is computed again from its counts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from mata_audio.evaluation.results.power import smallest_difference
from mata_audio.evaluation.results.results import Paired
from mata_audio.evaluation.results.significance import difference_interval, mcnemar_exact
from mata_audio.evaluation.results.without_audio import WITHOUT_AUDIO
from mata_audio.evaluation.study.compiled import adjusted
from mata_audio.evaluation.study.contenders import CARRIED, CHOSEN, DEFAULT, FITTED, PUBLISHED
from mata_audio.evaluation.study.outcome import Correct, Entry, Figures, Study
from mata_audio.methods.method import method_from

_CLOSE = 1e-9
LONGEST_TEXT = 600
_PATH = re.compile(r"(?:^|[\s\"'=:])(?:/|~/|\\\\|[A-Za-z]:[\\/])\w")


def problems(study: Study) -> list[str]:
    """Return what does not fit together in a study, in words; nothing if all of it does."""
    return list(
        dict.fromkeys(
            [
                *_of_parts(study),
                *_of_baseline(study),
                *(line for entry in study.entries for line in _of_entry(study, entry)),
                *_of_holm(study),
                *_of_texts(asdict(study)),
            ]
        )
    )


def _of_parts(study: Study) -> Iterator[str]:
    choosing, reporting = study.choosing, study.reporting
    if (choosing.ids, choosing.task, choosing.split) == (
        reporting.ids,
        reporting.task,
        reporting.split,
    ):
        yield "settings were chosen on the items that they are reported on"
    for part in (choosing, reporting):
        if not 0 <= part.failed <= part.items:
            yield f"{part.failed} of {part.items} items failed"
    if not 0 <= study.shared_clips <= reporting.items:
        yield f"{study.shared_clips} of {reporting.items} items share a clip"


def _of_baseline(study: Study) -> Iterator[str]:
    rows = [*study.baseline, *([study.unheard] if study.unheard is not None else [])]
    for own in rows:
        if not 0 <= own.correct <= own.n <= study.reporting.items:
            yield f"baseline, {own.name}: {own.correct} of {own.n} right"
    every = [own for own in study.baseline if own.grouping == ""]
    if len(every) != 1:
        yield "the baseline must have one row for all items"
        return
    for grouping, groups in _by_grouping(study.baseline):
        n, right = sum(own.n for own in groups), sum(own.correct for own in groups)
        whole = (every[0].n, every[0].correct)
        if n > whole[0] or right > whole[1] or (n == whole[0] and right != whole[1]):
            yield f"baseline, {grouping}: the groups do not add up to all items"


def _of_entry(study: Study, entry: Entry) -> Iterator[str]:
    where = f"{entry.method} ({entry.how})"
    if entry.how not in (PUBLISHED, DEFAULT, CHOSEN, FITTED, CARRIED):
        yield f"{where}: there is no such way to come by a setting"
    if (entry.name is None) != (entry.setting is None) or (entry.name is None and entry.figures):
        yield f"{where}: a setting has a name, fields and figures, or none of them"
    if entry.setting is not None:
        try:
            method_from(dict(entry.setting), "it")
        except (TypeError, ValueError) as error:
            yield f"{where}: it is no setting: {error}"
    yield from _of_figures(study, entry.figures, where)
    for out in entry.left_out:
        yield from _of_figures(study, out.figures, f"{where}, {out.key} left out")
    if entry.chosen_on is not None:
        yield from _of_paired(entry.chosen_on, study.choosing.items, f"{where}, choosing items")


def _of_figures(study: Study, figures: Sequence[Figures], where: str) -> Iterator[str]:
    places = [(own.grouping, own.name) for own in figures]
    if len(set(places)) < len(places):
        yield f"{where}: a group is there twice"
    known = {(own.grouping, own.name): own for own in study.baseline}
    for own in figures:
        here = f"{where}, {own.name}"
        yield from _of_paired(own.paired, study.reporting.items, here)
        base: Correct | None = known.get((own.grouping, own.name))
        right = round(own.paired.before * own.paired.n)
        if base is None:
            yield f"{here}: the baseline has no such group"
        elif own.paired.n > base.n or right > base.correct:
            yield f"{here}: {right} of {own.paired.n} right, more than the baseline's"
    every = next((own.paired for own in figures if own.grouping == ""), None)
    if every is None and figures:
        yield f"{where}: there is no row for all items"
    if every is None:
        return
    for grouping, groups in _by_grouping(figures):
        sums = [sum(_counts(own.paired)[at] for own in groups) for at in range(3)]
        whole = _counts(every)
        if any(one > all_ for one, all_ in zip(sums, whole, strict=True)) or (
            sums[0] == whole[0] and sums != list(whole)
        ):
            yield f"{where}, {grouping}: the groups do not add up to all items"


def _of_paired(own: Paired, items: int, where: str) -> Iterator[str]:
    if not 0 < own.n <= items or min(own.gained, own.lost) < 0 or own.gained + own.lost > own.n:
        yield f"{where}: {own.gained} gained and {own.lost} lost of {own.n} is impossible"
        return
    right, after = own.before * own.n, own.after * own.n
    if not math.isclose(right, round(right), abs_tol=1e-6):
        yield f"{where}: {own.before} of {own.n} items is no whole number"
    low, high = difference_interval(own.gained, own.lost, own.n)
    expected = {
        "after": (round(right) + own.gained - own.lost) / own.n,
        "difference": own.after - own.before,
        "low": low,
        "high": high,
        "p": mcnemar_exact(own.gained, own.lost),
        "smallest_difference": smallest_difference(own.n, own.gained + own.lost),
    }
    if round(right) < own.lost or round(after) < own.gained or own.n - round(right) < own.gained:
        yield f"{where}: more is gained or lost than was wrong or right"
    for name, value in expected.items():
        given = getattr(own, name)
        if (given is None) != (value is None) or (
            value is not None
            and not math.isclose(given, value, rel_tol=1e-6, abs_tol=_CLOSE if name != "p" else 0)
        ):
            yield f"{where}: {name} is {given}, and its counts give {value}"


def _of_holm(study: Study) -> Iterator[str]:
    for entry, again in zip(study.entries, adjusted(study.entries), strict=True):
        figures = [*entry.figures, *(own for out in entry.left_out for own in out.figures)]
        others = [*again.figures, *(own for out in again.left_out for own in out.figures)]
        for own, new in zip(figures, others, strict=True):
            if not math.isclose(own.paired.p_holm, new.paired.p_holm, rel_tol=1e-6):
                yield (
                    f"{entry.method} ({entry.how}), {own.name}: Holm's p is {own.paired.p_holm}, "
                    f"and the table gives {new.paired.p_holm}"
                )


def _of_texts(value: Any, where: str = "") -> Iterator[str]:
    """Refuse texts that have no place in such a file: long ones, and paths."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            yield f"{where}: a text of {len(value)} characters"
        elif _PATH.search(value):
            yield f"{where}: a path, {value!r:.80}"
    elif isinstance(value, dict):
        for key, own in value.items():
            yield from _of_texts(key, f"{where}.{key}"[:80])
            yield from _of_texts(own, f"{where}.{key}"[:80])
    elif isinstance(value, (list, tuple)):
        for own in value:
            yield from _of_texts(own, where)


def _counts(own: Paired) -> tuple[int, int, int]:
    return own.n, own.gained, own.lost


def _by_grouping(rows: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield groupings other than that of all items, and the one by the no-audio arm, with rows."""
    for grouping in dict.fromkeys(own.grouping for own in rows if own.grouping):
        if grouping != WITHOUT_AUDIO:
            yield grouping, [own for own in rows if own.grouping == grouping]
