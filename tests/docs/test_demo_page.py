"""The demo's tables hold together: each figure follows from what was gained and lost."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from pages_of_docs import ROOT

from mata_audio.evaluation.results.significance import difference_interval, mcnemar_exact

PAGE = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")
TABLES = re.split(
    r"^Mass \(", PAGE[PAGE.index("<!-- demo -->") : PAGE.index("<!-- /demo -->")], flags=re.M
)
ROW = re.compile(
    r"^(?P<name>\S.*?)  +(?P<n>[\d,]+)  +(?P<before>\S+)  +(?P<after>\S+)  +(?P<difference>\S+)"
    r"  +(?P<low>\S+) to (?P<high>\S+)  +(?P<gained>\d+)  +(?P<lost>\d+)  +(?P<p>(?:< )?\S+)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Row:
    name: str
    n: int
    gained: int
    lost: int
    shown: dict[str, str]


def rows(table: str) -> list[Row]:
    return [
        Row(own["name"], int(own["n"].replace(",", "")), int(own["gained"]), int(own["lost"]), own)
        for own in (found.groupdict() for found in ROW.finditer(table))
    ]


@pytest.mark.parametrize("table", TABLES, ids=["MATA", "Mass"])
def test_every_row_follows_from_its_counts(table: str) -> None:
    for row in rows(table):
        net = 100 * (row.gained - row.lost) / row.n
        low, high = difference_interval(row.gained, row.lost, row.n)
        assert row.shown["difference"] == f"{net:+.1f}"
        assert (row.shown["low"], row.shown["high"]) == (f"{100 * low:+.1f}", f"{100 * high:+.1f}")
        moved = float(row.shown["after"]) - float(row.shown["before"])
        assert moved == pytest.approx(net, abs=0.11)
        p = mcnemar_exact(row.gained, row.lost)
        assert row.shown["p"] == ("< 0.0001" if p < 1e-4 else f"{p:.2g}")


@pytest.mark.parametrize("table", TABLES, ids=["MATA", "Mass"])
def test_the_groups_add_up(table: str) -> None:
    own = rows(table)
    assert [row.name for row in own[3:]] == ["sound", "music", "speech", "all"]
    for groups in (own[:3], own[3:6]):
        for count in ("n", "gained", "lost"):
            assert sum(getattr(row, count) for row in groups) == getattr(own[6], count)


def test_the_baseline_is_the_same_in_both() -> None:
    first, second = ([(row.name, row.shown["before"]) for row in rows(table)] for table in TABLES)
    assert first == second
