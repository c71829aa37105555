"""Pictures: what they show, that they are files others can read, and hostile names."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mata_audio import MATA, MataError, SettingsError
from mata_audio.errors import AudioError, DataError
from mata_audio.evaluation.results import Accuracy, Paired, Results, Row, SettingResult
from mata_audio.evaluation.settings import short_name
from mata_audio.evaluation.sweep import Sweep
from mata_audio.pictures import (
    accuracy,
    gained_and_lost,
    heatmap,
    layer_head_map,
    listening,
    mass_by_layer,
    ranking,
    save,
)
from mata_audio.pictures.labels import label
from mata_audio.profiling import Attention, Profile, Timeline

matplotlib = pytest.importorskip("matplotlib")

DIFFERENCES = {
    (0.1, "0-3"): 0.02,
    (0.2, "0-3"): -0.125,
    (0.1, "4-7"): 0.035,
    (0.2, "4-7"): 0.0,
}
WRITTEN = {"+2.0", "−12.5", "+3.5", "0.0"}  # noqa: RUF001 - a minus sign
TOLD_APART = {"−12.5", "+3.5"}  # noqa: RUF001
HOSTILE = ("$x$", "<b>&amp;", "100 $ and \\frac{1}", "名" * 80, "w" * 300, "a\x00b\ud800\n\u202ec")


def paired(difference: float, p_holm: float = 1.0) -> Paired:
    return Paired(200, difference, difference - 0.03, difference + 0.03, 9, 4, 0.02, p_holm, 0.05)


def row(name: str, shown: dict[str, Paired], grouping: str = "", heading: str = "") -> Row:
    accuracies = {
        setting: Accuracy(200, 140, 0.7 + difference, 0.63, 0.76)
        for setting, difference in [
            ("baseline", 0.0),
            *((s, p.difference) for s, p in shown.items()),
        ]
    }
    return Row(grouping, heading, name, accuracies, shown)


def hand_made(winner: bool = True, formulas: tuple[str, ...] = ("multiply",)) -> Sweep:
    settings, shown = [SettingResult("baseline", "", None)], {}
    for formula in formulas:
        for (alpha, layers), difference in DIFFERENCES.items():
            mata = MATA(alpha=alpha, layers=layers, formula=formula)
            fields = {**vars(mata), "layers": list(mata.layers or ())}
            settings.append(SettingResult(short_name(mata), "", fields))
            p_holm = 0.01 if abs(difference) > 0.03 else 0.05
            shown[short_name(mata)] = paired(difference, p_holm)
    overall = row("all", shown)
    groups = tuple(row(name, shown, "kind", "Kind") for name in ("music", "speech"))
    order = tuple(sorted(shown, key=lambda name: -shown[name].difference))
    held_out = row("all", {name: paired(0.011) for name in shown})
    results = Results({}, tuple(settings), overall, groups, (), ())
    return Sweep(results, (), order, overall, held_out, order[0] if winner else None)


def renamed(sweep: Sweep, name: str) -> Sweep:
    """Return the sweep with its winner called ``name``, and a group too."""
    old = sweep.ranking[0]

    def of(line: Row) -> Row:
        return replace(
            line,
            name=name,
            accuracy={name if k == old else k: v for k, v in line.accuracy.items()},
            paired={name if k == old else k: v for k, v in line.paired.items()},
        )

    settings = tuple(replace(s, name=name) if s.name == old else s for s in sweep.results.settings)
    groups = tuple(replace(of(group), heading=name) for group in sweep.results.groups)
    results = replace(
        sweep.results, settings=settings, overall=of(sweep.results.overall), groups=groups
    )
    ranked = tuple(name if own == old else own for own in sweep.ranking)
    return Sweep(results, (), ranked, of(sweep.tuning), of(sweep.held_out), name)


def profile() -> Profile:
    mean = np.random.default_rng(0).dirichlet(np.ones(2), (12, 4))
    own = Attention(mean, mean, np.ones(12), np.ones((12, 4)), 3)
    steered = replace(own, mean=mean[::-1], setting={"alpha": 0.1, "layers": [2, 3, 7]})
    return Profile(("audio", "instruction"), 3, np.ones(2), {"baseline": own, "MATA": steered})


def timeline() -> Timeline:
    edges = np.linspace(0, 1, 11)
    weights = np.random.default_rng(0).random((4, 10)) / 100
    return Timeline(
        np.zeros(10, np.int64), edges[:-1], edges[1:], {"baseline": weights, "MATA": 2 * weights}
    )


PICTURES: dict[str, Callable[[], Any]] = {
    "heatmap": lambda: heatmap(hand_made()),
    "ranking": lambda: ranking(hand_made()),
    "accuracy": lambda: accuracy(hand_made().results),
    "gained_and_lost": lambda: gained_and_lost(hand_made().results),
    "mass_by_layer": lambda: mass_by_layer(profile()),
    "layer_head_map": lambda: layer_head_map(profile()),
    "listening": lambda: listening(timeline(), np.sin(np.arange(16_000) / 9), 16_000),
}


def texts(axes: Any) -> dict[str, Any]:
    return {text.get_text(): text for text in axes.texts}


def svg_text(path: Path) -> str:
    return " ".join("".join(e.itertext()) for e in ElementTree.parse(path).iter() if e.text)


def test_cells_hold_the_differences_and_those_not_told_apart_are_muted() -> None:
    axes = heatmap(hand_made()).axes[0]
    found = texts(axes)
    assert set(found) == WRITTEN
    assert {t for t, own in found.items() if own.get_fontstyle() == "normal"} == TOLD_APART
    assert found["+2.0"].get_position() == (0, 0)
    assert found["−12.5"].get_position() == (1, 0)  # noqa: RUF001
    assert found["+3.5"].get_position() == (0, 1)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.1", "0.2"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0-3", "4-7"]


def test_the_winner_alone_is_framed() -> None:
    frames = [p for p in heatmap(hand_made()).axes[0].patches if p.get_gid() == "winner"]
    assert len(frames) == 1
    x, y = frames[0].get_xy()
    assert (round(x + frames[0].get_width() / 2), round(y + frames[0].get_height() / 2)) == (0, 1)
    none = heatmap(hand_made(winner=False))
    assert not [p for p in none.axes[0].patches if p.get_gid() == "winner"]
    assert "no winner" in none.get_supxlabel()


def test_each_formula_has_a_panel() -> None:
    figure = heatmap(hand_made(formulas=("multiply", "add")))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:2] == ["multiply, all heads", "add, all heads"]
    norms = {axes.get_xlabel() for axes in figure.axes}
    assert "difference to the baseline (points)" in norms


def test_the_ranking_is_sorted_with_the_winner_on_the_rest() -> None:
    axes = ranking(hand_made()).axes[0]
    names = [tick.get_text().replace("\n", " ") for tick in axes.get_yticklabels()]
    assert names[:3] == ["alpha 0.1, layers 4-7", "… on the rest, n=200", "alpha 0.1, layers 0-3"]
    intervals = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2]
    assert intervals[0] == pytest.approx([0.5, 6.5])
    assert intervals[1] == pytest.approx([-1.9, 4.1])
    beside = [tick.get_text() for tick in axes.child_axes[0].get_yticklabels()]
    assert beside[:2] == ["+3.5", "+1.1"]


def test_gained_and_lost_are_counted() -> None:
    figure = gained_and_lost(hand_made().results, ["alpha 0.1, layers 4-7"])
    (axes,) = figure.axes
    written = [text.get_text() for text in axes.texts]
    assert written == ["+9", "−4"] * 3  # noqa: RUF001
    assert [patch.get_width() for patch in axes.patches] == [9, -4] * 3


def test_items_that_were_chosen_on_are_said() -> None:
    results = hand_made().results
    tuned = tuple(replace(s, tuned_on_these_items=True) for s in results.settings)
    marked = replace(results, settings=tuned)
    assert "used to choose" in accuracy(marked).legends[0].get_title().get_text()
    assert "used to choose" in gained_and_lost(marked).get_supxlabel()
    assert accuracy(results).legends[0].get_title().get_text() == ""


def test_accuracy_draws_the_wilson_interval() -> None:
    (axes,) = accuracy(hand_made().results, []).axes
    assert list(axes.lines[0].get_xdata()) == pytest.approx([63, 76])
    assert list(axes.lines[1].get_xdata()) == pytest.approx([70])


def test_profile_shades_the_chosen_layers() -> None:
    axes = mass_by_layer(profile()).axes[0]
    bands = [(p.get_x(), p.get_x() + p.get_width()) for p in axes.patches]
    assert bands == [(1.5, 3.5), (6.5, 7.5)]
    before = 100 * profile().attention["baseline"].mean[:, :, 0].mean(axis=1)
    assert list(axes.lines[0].get_ydata()) == pytest.approx(list(before))


@pytest.mark.parametrize("name", PICTURES)
def test_axes_say_their_units(name: str) -> None:
    labels = " ".join(
        own for axes in PICTURES[name]().axes for own in (axes.get_xlabel(), axes.get_ylabel())
    )
    units = {
        "heatmap": ("(points)", "layers (from 0)", "no unit"),
        "ranking": ("(points)",),
        "accuracy": ("(%)",),
        "gained_and_lost": ("items lost",),
        "mass_by_layer": ("(%)", "layer (from 0)"),
        "layer_head_map": ("(%)", "points", "head (from 0)"),
        "listening": ("(s)", "(kHz)", "(% per token)", "full scale"),
    }
    for unit in units[name]:
        assert unit in labels


@pytest.mark.parametrize("name", PICTURES)
def test_files_are_reproducible_and_leave_no_trace(name: str, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    first = save(PICTURES[name](), tmp_path / "a.b")
    second = save(PICTURES[name](), tmp_path / "again" / "a.b")
    assert [path.name for path in first] == ["a.b.svg", "a.b.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert "(" in svg_text(first[0])  # an axis label, as text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.png", "a.b.svg", "again"]
    assert dict(matplotlib.rcParams) == before


def test_the_users_style_does_not_show(tmp_path: Path) -> None:
    plain = save(heatmap(hand_made()), tmp_path / "plain")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        styled = save(heatmap(hand_made()), tmp_path / "styled")
    assert plain[0].read_bytes() == styled[0].read_bytes()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_drawn_as_they_are(name: str, tmp_path: Path) -> None:
    sweep = renamed(hand_made(), name)
    figures = {
        "heatmap": heatmap(sweep),
        "ranking": ranking(sweep),
        "accuracy": accuracy(sweep.results),
        "gained": gained_and_lost(sweep.results),
    }
    for stem, figure in figures.items():
        svg, png = save(figure, tmp_path / stem)
        assert png.stat().st_size > 1000
        shown = svg_text(svg)
        if stem != "heatmap":  # whose rows are named by their layers
            assert label(name, 30).split("\n")[0][:10].rstrip() in shown


def test_labels_are_short_and_printable() -> None:
    assert label("a  b\nc") == "a b c"
    assert label("x" * 100, 10, 2) == "x" * 10 + "\n" + "x" * 9 + "…"
    assert label("a\x00\ud800", 10) == "a��"
    assert label("") == ""


def test_nothing_to_draw_is_an_error() -> None:
    sweep = hand_made()
    nothing = replace(sweep, ranking=(), tuning=row("all", {}), winner=None)
    for picture in (heatmap, ranking):
        with pytest.raises(SettingsError, match="nothing to draw"):
            picture(nothing)
    empty = Results({}, sweep.results.settings[:1], Row("", "", "all", {}, {}), (), (), ())
    with pytest.raises(DataError, match="no item of this run was scored"):
        accuracy(empty)
    with pytest.raises(DataError, match="no setting beside the baseline"):
        gained_and_lost(empty)
    with pytest.raises(DataError, match="no setting 'late'"):
        accuracy(sweep.results, ["late"])
    with pytest.raises(SettingsError, match="no setting 'late'"):
        mass_by_layer(profile(), "late")
    with pytest.raises(AudioError, match="one channel"):
        listening(timeline(), np.zeros(0), 16_000)
    with pytest.raises(SettingsError, match="no clip 1"):
        listening(timeline(), np.zeros(160), 16_000, clip=1)
    with pytest.raises(SettingsError, match="layers must be some of 0-3"):
        listening(timeline(), np.zeros(160), 16_000, layers=[9])


@pytest.mark.parametrize("name", PICTURES)
def test_without_matplotlib_the_error_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [own for own in sys.modules if own.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MataError, match=r"pip install 'mata-audio\[pictures\]'"):
        PICTURES[name]()
