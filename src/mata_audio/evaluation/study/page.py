"""A study as one self-contained HTML page."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mata_audio.evaluation.report.facts import run_facts
from mata_audio.evaluation.report.shell import filled
from mata_audio.evaluation.results.without_audio import WITHOUT_AUDIO
from mata_audio.evaluation.study.outcome import Entry, Figures, Study, loses, overall
from mata_audio.evaluation.study.tables import EXPLAINED, facts, heading, verdict

_MEANT = {
    "published": "the setting that its authors published",
    "default": "the default of a method of our own",
    "chosen": "its best setting on the choosing items that loses in no condition there",
    "fitted": "gains fitted on the choosing items",
    "carried over": "chosen elsewhere, and reported as it is",
}


def study_page(study: Study) -> str:
    """Return the page of a study. It loads nothing."""
    keys = list(dict.fromkeys(out.key for own in study.entries for out in own.left_out))
    heard = [own.name for own in study.baseline if own.grouping == WITHOUT_AUDIO]
    places = [(study.condition, own) for own in study.conditions]
    places += [(WITHOUT_AUDIO, own) for own in heard]
    return filled(
        "report.study.html.j2",
        title=heading(study),
        study=study,
        rows=[_row(study, own, places, keys) for own in study.entries],
        places=places,
        keys=keys,
        details=[own for own in study.entries if own.figures],
        verdict=verdict(study),
        recommended=study.recommended is not None,
        notes=facts(study)[:-1],
        explained=EXPLAINED,
        meant={
            how: text for how, text in _MEANT.items() if any(e.how == how for e in study.entries)
        },
        facts=run_facts(
            {
                "model": dict(study.model),
                "chosen_on": asdict(study.choosing),
                "reported_on": asdict(study.reporting),
                "machines": [dict(own) for own in study.machines],
            }
        ),
    )


def _row(
    study: Study, entry: Entry, places: list[tuple[str, str]], keys: list[str]
) -> dict[str, Any]:
    """Return what the summary shows of an entry; None for figures that do not exist."""
    left_out = {out.key: overall(out.figures) for out in entry.left_out}
    return {
        "entry": entry,
        "overall": entry.overall,
        "conditions": [_at(entry.figures, *at) for at in places],
        "left_out": [left_out.get(key) for key in keys],
        "finding": study.standing(entry),
        "recommended": entry is study.recommended,
    }


def _at(figures: tuple[Figures, ...], grouping: str, name: str) -> Any:
    found = next((own for own in figures if (own.grouping, own.name) == (grouping, name)), None)
    if found is None:
        return None
    return {"difference": found.paired.difference, "loses": loses(found.paired)}
