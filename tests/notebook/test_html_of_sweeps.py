"""What a notebook shows of a sweep, of chosen layers, and of a picture by itself."""

from __future__ import annotations

import pytest
from test_html import page, words_in

from held import Held
from mata_audio.evaluation.choosing import Choice, Evidence
from mata_audio.evaluation.results.ranking import rank, sweep_of
from mata_audio.methods import Mass
from mata_audio.pictures import accuracy, listening
from mata_audio.settings.named import NamedSetting
from swept import swept

RESULTS = swept({"a": (9, 1), "b": (4, 0)}, {"a": (12, 2), "b": (3, 3)})
SCORES = (0.5, -0.25, 0.125, 0.0)
EVIDENCE = Evidence(
    by="gradient", unit="nats", spread="95 % interval", scores=SCORES, low=(0.4,) * 4,
    high=(0.6,) * 4, items=7, setting=Mass(layers="1-2"),
)  # fmt: skip


def test_a_sweep() -> None:
    sweep = rank(RESULTS, RESULTS.tuning_ids)
    shown = page(sweep)
    assert "a, the best setting on the tuning items, is better than the baseline" in shown.text
    gained = [[shown.cells[n + place] for place in (6, 7)] for n in _rows(shown.cells, "a")]
    assert ["9", "1"] in gained
    assert "12" in shown.cells  # held out
    (other,) = _rows(shown.cells, "b")  # ranked, and not reported
    assert [shown.cells[other + place] for place in (6, 7)] == ["4", "0"]
    pytest.importorskip("matplotlib")
    assert "ranked on the tuning part" in words_in(shown.pictures[-1])


def test_chosen_layers() -> None:
    found = page(Choice(EVIDENCE, sweep_of(RESULTS), NamedSetting("a", Mass())))
    assert "gradient, 7 tuning items: nats" in found.text
    assert found.cells[:4] == ["layer", "mean", "95 % interval", "chosen"]
    rows = [found.cells[4 * n : 4 * n + 4] for n in range(1, 5)]
    assert [row[:2] for row in rows] == [
        ["0", "+0.5000"], ["1", "-0.2500"], ["2", "+0.1250"], ["3", "+0.0000"],
    ]  # fmt: skip
    assert [row[3] for row in rows] == ["", "yes", "yes", ""]
    assert rows[0][2] == "+0.4000 to +0.6000"
    assert "is better than the baseline" in found.text


def test_nothing_to_choose() -> None:
    nothing = page(Choice(EVIDENCE, None, None))
    assert "Nothing was found with 7 items" in nothing.text
    search = page(Choice(None, sweep_of(RESULTS), None))
    assert "gradient" not in search.text
    assert "is better than the baseline" in search.text


def test_a_picture_by_itself(held: Held) -> None:
    """It is shown although nobody has told Matplotlib that this is a notebook."""
    pytest.importorskip("matplotlib")
    (drawn,) = page(listening(held.timeline, held.clip.samples, 16_000)).pictures
    assert "time in the clip (s)" in words_in(drawn)
    shown = page(accuracy(held.results, ["MATA"]))
    assert shown.alternatives == ["Picture Accuracy by group."]
    assert shown.tags == ["img"]


def _rows(cells: list[str], name: str) -> list[int]:
    return [place for place, cell in enumerate(cells[:-8]) if cell == name]
