"""Studies of known outcome, made without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mata_audio.evaluation.results.figures import pair
from mata_audio.evaluation.study.compiled import adjusted
from mata_audio.evaluation.study.outcome import Correct, Entry, Figures, LeftOut, Part, Study
from mata_audio.methods import MATA, Mass

Counts = tuple[int, int]
"""Answers gained and lost, of 40 items of which half are right."""
CONDITIONS = ("alone", "helped")
N = 40
ELSEWHERE: Mapping[str, Sequence[Counts]] = {}


def figures(counts: Sequence[Counts], grouping: str = "kind") -> tuple[Figures, ...]:
    """Return all items, and one group for each pair of counts."""

    def paired(own: Sequence[Counts]) -> Any:
        before, after = [], []
        for gained, lost in own:
            before += [True] * (N // 2) + [False] * (N // 2)
            after += [False] * lost + [True] * (N // 2 - lost)
            after += [True] * gained + [False] * (N // 2 - gained)
        return pair(before, after)

    return (
        Figures("", "", "all", paired(counts)),
        *(
            Figures(grouping, "Kind", name, paired([own]))
            for name, own in zip(CONDITIONS, counts, strict=True)
        ),
    )


def entry(
    method: str,
    how: str,
    choosing: Counts,
    reporting: Sequence[Counts],
    elsewhere: Sequence[Counts] | None = None,
) -> Entry:
    """Return an entry from what it gains and loses.

    Args:
        method: its method.
        how: how it came about.
        choosing: on the choosing items.
        reporting: on the reporting items, by condition.
        elsewhere: the same where a task was left out.
    """
    setting = Mass(2.0) if method == "mass" else MATA(alpha=2.0, seed=len(method + how))
    out = () if elsewhere is None else (LeftOut("task", {"a": None, "b": "x"}, figures(elsewhere)),)
    return Entry(
        method,
        how,
        name=f"{method}: {how}",
        description=f"{method} in words",
        setting=setting.as_data(),
        tried=4,
        seconds=0.5,
        chosen_on=figures([choosing, (0, 0)])[0].paired,
        figures=figures(reporting),
        left_out=out,
    )


PART = Part(
    "tiny", "mata-tiny", "test", None, {"q": "0" * 64}, 2 * N, 0, "1" * 64, "t", "2" * 64, "r"
)


def study_of(*entries: Entry, **changes: Any) -> Study:
    """Return a study with these entries."""
    found = Study(
        model={
            "name": "tiny",
            "model_type": "audio",
            "weights": {"model.safetensors": "3" * 64},
            "config_sha256": "4" * 64,
            "dtype": "float32",
            "attention": "sdpa",
        },
        machines=({"device": "cpu", "versions": {"torch": "2"}, "git": None},),
        choosing=replace(PART, split="tune"),
        reporting=PART,
        shared_clips=0,
        condition="kind",
        tried=12,
        baseline=(
            Correct("", "", "all", 2 * N, N),
            *(Correct("kind", "Kind", name, N, N // 2) for name in CONDITIONS),
        ),
        unheard=Correct("", "", "all", 2 * N, 9),
        seconds=0.4,
        entries=tuple(adjusted(entries)),
    )
    return replace(found, **changes)
