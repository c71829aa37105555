"""Pictures: what they show, that they are files others can read, and hostile names."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answers import answer

from mata_audio import MATA, MataError, SettingsError
from mata_audio.errors import AudioError, DataError
from mata_audio.evaluation.results.results import Accuracy, Paired, Results, Row, SettingResult
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
    style,
    words,
)
from mata_audio.pictures import of_run as of_run_module
from mata_audio.pictures.grid import has_grid
from mata_audio.pictures.labels import label
from mata_audio.pictures.of_run import DrawnRun
from mata_audio.profiling import Attention, Profile, Timeline
from mata_audio.settings.colours import PAPER, in_the_dark
from mata_audio.settings.in_words import short_name
from mata_audio.settings.named import NamedSetting

matplotlib = pytest.importorskip("matplotlib")

DIFFERENCES = {(0.1, "0-3"): 0.02, (0.2, "0-3"): -0.125, (0.1, "4-7"): 0.035, (0.2, "4-7"): 0.0}
WRITTEN = {"+2.0", "−12.5", "+3.5", "+0.0"}  # noqa: RUF001 - a minus sign
TOLD_APART = {"−12.5", "+3.5"}  # noqa: RUF001
HOSTILE = ("$x$", "<b>&amp;", "100 $ and \\frac{1}", "名" * 80, "w" * 300, "a\x00b\ud800\n\u202ec")


def paired(difference: float, p_holm: float = 1.0) -> Paired:
    ends = (difference - 0.03, difference + 0.03)
    return Paired(200, 0.7, 0.7 + difference, difference, *ends, 9, 4, 0.02, p_holm, 0.05)


def row(name: str, shown: dict[str, Paired], grouping: str = "", heading: str = "") -> Row:
    accuracies = {"baseline": Accuracy(200, 140, 0.7, 0.63, 0.76)}
    for setting, paired in shown.items():
        accuracies[setting] = replace(accuracies["baseline"], value=0.7 + paired.difference)
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

    def keyed(figures: Mapping[str, Any]) -> dict[str, Any]:
        return {name if key == old else key: value for key, value in figures.items()}

    def of(line: Row) -> Row:
        return replace(line, name=name, accuracy=keyed(line.accuracy), paired=keyed(line.paired))

    own = sweep.results
    settings = tuple(replace(s, name=name) if s.name == old else s for s in own.settings)
    groups = tuple(replace(of(group), heading=name) for group in own.groups)
    results = replace(own, settings=settings, overall=of(own.overall), groups=groups)
    ranked = tuple(name if key == old else key for key in sweep.ranking)
    return Sweep(results, (), ranked, of(sweep.tuning), of(sweep.held_out), name)


def profile() -> Profile:
    mean = np.random.default_rng(0).dirichlet(np.ones(2), (12, 4))
    own = Attention(mean, mean, np.ones(12), np.ones((12, 4)), 3)
    steered = replace(own, mean=mean[::-1], setting={"alpha": 0.1, "layers": [2, 3, 7]})
    return Profile(("audio", "instruction"), 3, np.ones(2), {"baseline": own, "MATA": steered})


def timeline() -> Timeline:
    edges = np.linspace(0, 1, 11)
    weights = np.random.default_rng(0).random((4, 10)) / 100
    both = {"baseline": weights, "MATA": 2 * weights}
    return Timeline(np.zeros(10, np.int64), edges[:-1], edges[1:], both)


def wave(samples: int = 16_000) -> np.ndarray:
    return np.sin(np.arange(samples) / 9)


def of_run(name: str, sweep: Sweep) -> Any:
    return of_run_module.PICTURES[name](DrawnRun(sweep.results, list(sweep.ranking), sweep))


PICTURES: dict[str, Callable[[], Any]] = {
    **{name: partial(of_run, name, hand_made()) for name in of_run_module.PICTURES},
    "mass_by_layer": lambda: mass_by_layer(profile()),
    "layer_head_map": lambda: layer_head_map(profile()),
    "listening": lambda: listening(timeline(), wave(), 16_000),
    "words": lambda: words([answer("baseline"), answer("MATA")], wave(), 16_000),
}


def texts(axes: Any) -> dict[str, Any]:
    return {text.get_text(): text for text in axes.texts}


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours, as ``#rrggbb``."""

    def luminance(colour: str) -> float:
        parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


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


def test_the_ranking_is_sorted_with_the_winner_held_out() -> None:
    axes = ranking(hand_made()).axes[0]
    names = [tick.get_text().replace("\n", " ") for tick in axes.get_yticklabels()]
    assert names[:3] == ["alpha 0.1, layers 4-7", "… held out, n=200", "alpha 0.1, layers 0-3"]
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


def test_the_map_holds_each_heads_share_and_its_change() -> None:
    before, after = layer_head_map(profile()).axes[:2]
    own, steered = (profile().attention[name].mean[:, :, 0] for name in ("baseline", "MATA"))
    np.testing.assert_allclose(before.images[0].get_array(), 100 * own)
    np.testing.assert_allclose(after.images[0].get_array(), 100 * (steered - own))
    bars = [tuple(line.get_ydata()) for line in after.lines]
    assert bars == [(1.6, 3.4), (6.6, 7.4)]


def test_without_a_gain_no_layer_is_shaded() -> None:
    own = profile()
    idle = replace(own.attention["MATA"], setting={"alpha": 0.0, "layers": [2, 3]})
    figure = mass_by_layer(replace(own, attention={**own.attention, "MATA": idle}))
    assert not figure.axes[0].patches
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["baseline", "MATA"]


def test_listening_shows_the_attention_on_each_moment() -> None:
    layers = (1, 2)
    figure = listening(timeline(), wave(), 16_000, layers=layers, of="item 7: What? " * 9)
    top, _, bottom = figure.axes
    steps = [patch for patch in bottom.patches if not patch.get_fill()]
    for name, step in zip(("baseline", "MATA"), steps, strict=True):
        values, edges, _ = step.get_data()
        expected = 100 * timeline().weights[name][list(layers)].mean(axis=0)
        np.testing.assert_allclose(values, expected)
        np.testing.assert_allclose(edges, np.linspace(0, 1, 11))
    assert top.get_title(loc="left").startswith("item 7: What?")
    assert top.get_title(loc="left").count("\n") == 1
    assert "layers 1-2 (from 0)" in figure.legends[0].get_title().get_text()


def test_silence_that_is_added_to_a_clip_is_named() -> None:
    """The timeline is of a second; the clip of half."""
    for samples, told in ((16_000, False), (8_000, True)):
        figure = listening(timeline(), wave(samples), 16_000)
        said = "silence that the model pads it with" in figure.legends[0].get_title().get_text()
        assert said == told
        assert figure.axes[2].get_xlim() == (0, 1)


def test_many_moments_are_averaged_into_steps_that_can_be_told_apart() -> None:
    edges = np.linspace(0, 30, 751)
    weights = np.random.default_rng(1).random((2, 750)) / 500
    long = Timeline(np.zeros(750, np.int64), edges[:-1], edges[1:], {"baseline": weights})
    figure = listening(long, wave(30_000), 1_000)
    values, steps, _ = next(p for p in figure.axes[2].patches if not p.get_fill()).get_data()
    assert len(values) == 94  # of 8 tokens each, the last of 6
    np.testing.assert_allclose(values[:-1], 100 * weights.mean(0)[:744].reshape(93, 8).mean(1))
    assert values[-1] == pytest.approx(100 * weights.mean(0)[744:].mean())
    np.testing.assert_allclose(steps, np.append(edges[:-1:8], 30))
    assert "mean of every 8 tokens" in figure.legends[0].get_title().get_text()


@pytest.mark.parametrize("fields", [{"alpha": None, "layers": None}, {"gains": [[0.0, 0.5]]}])
def test_a_setting_by_layer_and_head_is_ranked_and_in_no_grid(fields: dict[str, Any]) -> None:
    sweep = hand_made()
    odd = sweep.ranking[0]

    def unplaced(own: SettingResult) -> SettingResult:
        return replace(own, method={**(own.method or {}), **fields})

    settings = tuple(unplaced(own) if own.name == odd else own for own in sweep.results.settings)
    changed = replace(sweep, results=replace(sweep.results, settings=settings))
    figure = heatmap(changed)
    assert set(texts(figure.axes[0])) == WRITTEN - {"+3.5"}
    assert "the winner is not in this grid" in figure.get_supxlabel()
    (first, *_) = ranking(changed).axes[0].get_yticklabels()
    assert first.get_text().replace("\n", " ") == odd
    assert has_grid(changed)
    none = tuple(own if own.method is None else unplaced(own) for own in settings)
    without = replace(sweep, results=replace(sweep.results, settings=none))
    assert not has_grid(without)
    with pytest.raises(SettingsError, match="nothing to draw"):
        heatmap(without)


def test_gains_shade_the_layers_in_which_a_head_has_one() -> None:
    table = [[0.0, 0.5, 0.0, 0.0] if layer in (4, 9) else [0.0] * 4 for layer in range(12)]
    own = profile()
    fields = NamedSetting("MATA", MATA(gains=table)).fields
    by_head = replace(own.attention["MATA"], setting=fields)
    figure = mass_by_layer(replace(own, attention={**own.attention, "MATA": by_head}))
    assert [(p.get_x(), p.get_width()) for p in figure.axes[0].patches] == [(3.5, 1), (8.5, 1)]


UNITS = {
    "heatmap": ("(points)", "layers (from 0)", "no unit"),
    "ranking": ("(points)",),
    "accuracy": ("(%)",),
    "gained_and_lost": ("items lost",),
    "mass_by_layer": ("(%)", "layer (from 0)"),
    "layer_head_map": ("(%)", "points", "head (from 0)"),
    "listening": ("(s)", "(kHz)", "(% per token)", "full scale"),
    "words": ("(s)",),
}


@pytest.mark.parametrize("name", PICTURES)
def test_axes_say_their_units(name: str) -> None:
    axes = PICTURES[name]().axes
    labels = " ".join(f"{own.get_xlabel()} {own.get_ylabel()}" for own in axes)
    for unit in UNITS[name]:
        assert unit in labels


@pytest.mark.parametrize("name", PICTURES)
def test_all_text_can_be_read_in_light_and_dark(name: str) -> None:
    """WCAG's 4.5 to 1, against the page or the cell that the text stands on."""
    from matplotlib.colors import to_hex
    from matplotlib.text import Text

    figure = PICTURES[name]()
    figure.draw_without_rendering()
    cells = {
        (own.axes, round(own.get_x() + 0.5), round(own.get_y() + 0.5)): to_hex(own.get_facecolor())
        for axes in figure.axes[: 1 if name == "heatmap" else 0]
        for own in axes.patches
        if own.get_gid() != "winner"
    }
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    grounds = [
        cells[text.axes, *text.get_position()]
        if text.axes in figure.axes[:1] and text in text.axes.texts and cells
        else PAPER
        for text in shown
    ]
    assert sum(ground != PAPER for ground in grounds) == len(cells) == 4 * (name == "heatmap")
    for text, ground in zip(shown, grounds, strict=True):
        colour = to_hex(text.get_color())
        assert contrast(colour, ground) >= 4.5, text
        assert contrast(in_the_dark(colour), in_the_dark(ground)) >= 4.5, text


def test_figures_in_cells_of_any_colour_can_be_read() -> None:
    from matplotlib.colors import to_hex

    colours = style.legible()
    for part in np.linspace(0, 1, 257):
        for kept in (1.0, 0.45):  # of a change that is not significant
            cell = tuple(1 - kept * (1 - channel) for channel in colours(part)[:3])
            assert contrast("#000000", to_hex(cell)) >= 4.5
            assert contrast(in_the_dark("#000000"), in_the_dark(to_hex(cell))) >= 4.5


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
    for stem in of_run_module.PICTURES:
        svg, png = save(of_run(stem, sweep), tmp_path / stem)
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
    with pytest.raises(DataError, match="has only the baseline"):
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


@pytest.mark.usefixtures("without_matplotlib")
@pytest.mark.parametrize("name", PICTURES)
def test_without_matplotlib_the_error_says_what_to_install(name: str) -> None:
    with pytest.raises(MataError, match=r"pip install 'mata-audio\[pictures\]'"):
        PICTURES[name]()
