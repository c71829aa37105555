"""CSV files: no cell is a formula, and every number is a number."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from hostile_results import results
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.evaluation.results.csv_text import csv_text
from mata_audio.evaluation.results.tables import as_csv

TEXTS = st.text("=+-@\t\r\n' aB1.,;\"e", max_size=6) | st.text(max_size=4)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers()


def read(text: str) -> list[list[str]]:
    """Read CSV back, line ends inside cells included."""
    return list(csv.reader(io.StringIO(text, newline="")))


def test_formulas_get_an_apostrophe() -> None:
    shown = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "＝1"]  # noqa: RUF001
    kept = ["all", "a=b", "-3", "+1.5e-3", "-0.25", "", "'=1"]
    (row,) = read(csv_text([[*shown, *kept, -0.25, -3, 2]]))
    assert row == [*(f"'{text}" for text in shown), *kept, "-0.25", "-3", "2"]


@given(rows=st.lists(st.lists(TEXTS | NUMBERS, min_size=2, max_size=3)))
def test_every_cell_comes_back_and_none_is_a_formula(rows: list[list[str | float]]) -> None:
    for written, back in zip(rows, read(csv_text(rows)), strict=True):
        for value, cell in zip(written, back, strict=True):
            if isinstance(value, str):
                assert cell in (value, f"'{value}")
                assert cell[:1] not in {*"=@\t\r\n"}
                assert cell[:1] not in {*"+-"} or float(cell) is not None
            else:
                assert type(value)(cell) == value


def test_groups_and_settings_of_a_run_are_no_formulas() -> None:
    run = results()
    group = replace(run.groups[0], name="=HYPERLINK(1)", grouping="@x")
    rows = read(as_csv(replace(run, groups=(group,))))
    assert {tuple(row[:2]) for row in rows[1:-1]} >= {("'@x", "'=HYPERLINK(1)")}
    assert {row[rows[0].index("difference")] for row in rows[1:]} >= {""}
    for row in rows[1:]:
        figures = row[3:]
        assert all(not cell or float(cell) is not None for cell in figures)
