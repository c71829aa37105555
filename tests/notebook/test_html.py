"""What a notebook shows: tables and pictures, escaped, and without Matplotlib only tables."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from held import Held
from mata_audio import MATA
from mata_audio.evaluation.results.results import Row
from mata_audio.evaluation.results.tables import tables
from mata_audio.methods import METHODS, Changes, Contrast
from mata_audio.profiling import Timeline

HOSTILE = (
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    "\"' onload='alert(1)",
    "&lt;b&gt; {0} {} %s",
    "$x$ \\frac{1}",
    "名" * 80,
)
ALLOWED = {"table", "caption", "tr", "th", "td", "p", "img"}


class Page(HTMLParser):
    """The elements, cells and pictures of some HTML; every element must be closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.pictures: list[bytes] = []
        self.alternatives: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []
        assert set(self.tags) <= ALLOWED

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        assert given.keys() <= {"style", "alt", "src"}
        if tag == "img":
            form, content = (given["src"] or "").split(",")
            assert form == "data:image/svg+xml;base64"
            self.pictures.append(base64.b64decode(content))
            self.alternatives.append(given["alt"] or "")
            return
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def page(shown: Any) -> Page:
    """Return what IPython would show: it asks for this method."""
    html = shown._repr_html_()
    assert type(html) is str  # what would still escape itself surprises others
    return Page(html)


def words_in(svg: bytes) -> str:
    return " ".join(ElementTree.fromstring(svg).itertext())


def test_results(held: Held) -> None:
    shown = page(held.results)
    (table,) = tables(held.results)
    assert table.title in shown.text
    for line in table.lines:
        row = [line.name, *line.cells]
        places = range(len(shown.cells))
        assert any(shown.cells[n : n + len(row)] == row for n in places), row
    for note in held.results.notes:
        assert note in shown.text
    pytest.importorskip("matplotlib")
    (picture,) = shown.pictures
    assert shown.alternatives == ["Picture accuracy."]
    assert {"baseline", "MATA"} <= set(re.findall(r"\w+", words_in(picture)))


def test_results_without_a_scored_answer_have_no_picture(held: Held) -> None:
    overall = replace(held.results.overall, accuracy={}, paired={})
    shown = page(replace(held.results, overall=overall, groups=()))
    assert shown.pictures == []
    assert "table" in shown.tags


def test_profile(held: Held) -> None:
    shown = page(held.profile)
    width = 3
    assert shown.cells[:width] == ["layer", "baseline", "MATA"]
    audio = held.profile.kinds.index("audio")
    for layer in (0, 5, 11):
        at = width * (layer + 1)
        measured = [own.mean[layer, :, audio].mean() for own in held.profile.attention.values()]
        assert shown.cells[at : at + width] == [str(layer), *(f"{100 * v:.1f}" for v in measured)]
    assert len(shown.cells) == width * 13
    pytest.importorskip("matplotlib")
    assert "steered layers" in words_in(shown.pictures[0])


def test_timeline() -> None:
    clips = np.array([0, 0, 1, 1, 1])
    starts = np.array([0.0, 0.5, 0.0, 0.5, 1.0])
    weights = np.array([[0.1, 0.1, 0.0, 0.0, 0.2], [0.0, 0.0, 0.1, 0.1, 0.2]])
    found = Timeline(clips, starts, starts + 0.5, {"baseline": weights, "MATA": 2 * weights})
    shown = page(found)
    assert shown.cells[:4] == ["", "seconds heard", "baseline", "MATA"]
    assert shown.cells[4:8] == ["clip 1", "1.00", "10.0", "20.0"]
    assert shown.cells[8:] == ["clip 2", "1.50", "30.0", "60.0"]
    pytest.importorskip("matplotlib")
    assert ["time in clip 1 (s)" in words_in(own) for own in shown.pictures] == [True, False]
    assert "time in clip 2 (s)" in words_in(shown.pictures[1])


def test_a_measured_timeline(held: Held) -> None:
    pytest.importorskip("matplotlib")
    assert len(page(held.timeline).pictures) == 1


@pytest.mark.parametrize("name", [name for name in METHODS if name != "changes"])
def test_a_setting(name: str) -> None:
    method = METHODS[name]()
    shown = page(method)
    assert shown.text.startswith(type(method).__name__)
    assert method.summary in shown.cells
    assert method.source in shown.cells
    assert "on_no_audio" in shown.cells


def test_the_fields_of_a_setting() -> None:
    cells = page(MATA(alpha=0.25, layers="3-7")).cells
    rows = dict(zip(cells[::2], cells[1::2], strict=True))
    assert rows["alpha"] == "0.25"
    assert rows["layers"] == "3-7"
    assert rows["heads"] == "all (default)"
    assert rows["formula"] == "multiply (default)"
    assert rows["cost"] == "1 row a token, shares the prefill"
    cells = page(MATA(gains=[[0.5, -1.0]] * 3)).cells
    assert "3 x 2 gains from -1 to 0.5" in cells
    assert "mass" in page(Changes([{"formula": "mass", "alpha": 0.5}])).text
    assert Contrast().source in page(Contrast(alpha=3)).cells


def test_a_preset_says_whose_figures_they_are() -> None:
    cells = page(MATA.for_model("Qwen/Qwen2.5-Omni-7B")).cells
    rows = dict(zip(cells[::2], cells[1::2], strict=True))
    assert rows["figures"] == "the paper's"
    assert "MMAU" in rows["evidence"]
    assert rows["layers"] == "10-20"


def test_an_answer(held: Held) -> None:
    answer = held.answer
    shown = page(answer)
    assert f"MATA: {answer.text}" in shown.text
    assert answer.heard is not None
    word = answer.words[0]
    steps = answer.heard.weights[word.first : word.last + 1, 3:8].mean(axis=(0, 1, 2))
    at = shown.cells.index("attention on audio (%)") + 1
    assert shown.cells[at : at + 2] == [word.text, f"{100 * steps.sum(dtype=float):.1f}"]
    for own in answer.first_words:
        assert own.text in shown.cells
        assert f"{100 * own.probability:.1f}" in shown.cells
    silent = page(replace(answer, heard=None, why_not="it compares"))
    assert "No attention is shown: it compares." in silent.text


@pytest.mark.usefixtures("without_matplotlib")
def test_without_matplotlib_there_are_tables(held: Held) -> None:
    for own in (held.results, held.profile, held.timeline):
        shown = page(own)
        assert shown.pictures == []
        assert "table" in shown.tags


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names(held: Held, name: str) -> None:
    """Whatever stands in a name is text: no element or attribute comes of it."""
    results = held.results
    setting = replace(results.settings[1], name=name, description=name)
    rows = [_renamed(row, name) for row in (results.overall, *results.groups)]
    hostile = replace(
        results, settings=(results.settings[0], setting), overall=rows[0], groups=tuple(rows[1:]),
        notes=(name,),
    )  # fmt: skip
    listened, weights = held.profile.attention, held.timeline.weights
    profile = replace(
        held.profile, attention={"baseline": listened["baseline"], name: listened["MATA"]}
    )
    timeline = replace(
        held.timeline, weights={"baseline": weights["baseline"], name: weights["MATA"]}
    )
    first = (replace(held.answer.first_words[0], text=name),)
    word = (replace(held.answer.words[0], text=name),)
    answer = replace(held.answer, name=name, text=name, first_words=first, words=word)
    preset = replace(MATA.for_model("x"), model=name, source=name, evidence=name)
    for own in (
        hostile,
        profile,
        timeline,
        answer,
        preset,
        replace(answer, heard=None, why_not=name),
    ):
        shown = page(own)
        assert name in shown.text
        for picture in shown.pictures:
            ElementTree.fromstring(picture)


def _renamed(row: Row, name: str) -> Row:
    accuracy = {"baseline": row.accuracy["baseline"], name: row.accuracy["MATA"]}
    return replace(
        row, heading=name, name=name, accuracy=accuracy, paired={name: row.paired["MATA"]}
    )


def test_a_setting_is_shown_without_pytorch() -> None:
    """A notebook that only looks at settings waits neither for PyTorch nor for Matplotlib."""
    program = (
        "import sys; from mata_audio import MATA; assert 'Source' not in MATA()._repr_html_(); "
        "sys.exit(not {'torch', 'matplotlib.figure'}.isdisjoint(sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
