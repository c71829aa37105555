"""A setting has one colour: in every picture of a run, in profiles, and on the report's page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from answers import answer

from mata_audio.evaluation.report import render_report
from mata_audio.evaluation.results.ranking import sweep_of
from mata_audio.evaluation.results.results import Results
from mata_audio.pictures import layer_head_map, listening, mass_by_layer, pictures_of_run, words
from mata_audio.profiling import Attention, Profile, Timeline
from mata_audio.settings.colours import BASELINE_COLOUR, COLOURS, named_colours
from swept import swept

matplotlib = pytest.importorskip("matplotlib")

NAMES = ("first", "second", "third", "fourth")
EXPECTED = dict(zip(("baseline", *NAMES), (BASELINE_COLOUR, *COLOURS), strict=True))
GAINS = {"first": (3, 2), "second": (4, 3), "third": (15, 2), "fourth": (1, 5)}
WINNER = "third"


@pytest.fixture(scope="module")
def run() -> Results:
    """A sweep that its third setting wins."""
    results = swept(GAINS, GAINS)
    found = sweep_of(results)
    assert found is not None
    assert found.winner == WINNER
    return results


def of_run(results: Results) -> Mapping[str, Any]:
    return pictures_of_run(results)


def plain(results: Results) -> Results:
    """The same settings and items as an evaluation of all of them."""
    whole = swept(GAINS, GAINS, (0, 100))
    return Results(whole.run, results.settings, whole.overall, (), whole.items, ())


def hexadecimal(colour: Any) -> str:
    return str(matplotlib.colors.to_hex(colour))


def profile(names: tuple[str, ...]) -> Profile:
    mean = np.random.default_rng(0).dirichlet(np.ones(2), (6, 4))

    def attention(name: str) -> Attention:
        fields = None if name == "baseline" else {"alpha": 0.1, "layers": [2, 3]}
        return Attention(mean, mean, np.ones(6), np.ones((6, 4)), 3, fields)

    every = {name: attention(name) for name in ("baseline", *names)}
    return Profile(("audio", "instruction"), 3, np.ones(2), every)


def timeline(names: tuple[str, ...]) -> Timeline:
    edges = np.linspace(0, 1, 11)
    weights = np.full((4, 10), 0.01)
    every = dict.fromkeys(("baseline", *names), weights)
    return Timeline(np.zeros(10, np.int64), edges[:-1], edges[1:], every)


def test_accuracy_of_every_setting(run: Results) -> None:
    figure = of_run(plain(run))["accuracy"]
    legend = figure.legends[0]
    drawn = {
        text.get_text(): hexadecimal(line.get_color())
        for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)
    }
    assert drawn == EXPECTED
    (axes,) = figure.axes
    assert [hexadecimal(line.get_color()) for line in axes.lines[::2]] == list(EXPECTED.values())


def test_what_each_setting_gained_and_lost(run: Results) -> None:
    panels = of_run(plain(run))["gained_and_lost"].axes
    for axes, name in zip(panels, NAMES, strict=True):
        assert axes.get_title(loc="left") == name
        assert hexadecimal(axes._left_title.get_color()) == EXPECTED[name]
        gained, lost = axes.patches
        assert hexadecimal(gained.get_facecolor()) == EXPECTED[name]
        assert hexadecimal(lost.get_edgecolor()) == BASELINE_COLOUR


def test_the_ranking_and_the_winner_held_out(run: Results) -> None:
    axes = of_run(run)["ranking"].axes[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    held_out = names.index(WINNER) + 1
    names[held_out] = WINNER
    markers = [line for line in axes.lines if len(line.get_xdata()) == 1]
    colours = [hexadecimal(line.get_color()) for line in markers]
    assert colours == [EXPECTED[name] for name in names]
    assert [n for n, line in enumerate(markers) if line.get_marker() == "D"] == [held_out]


def test_the_winner_keeps_its_colour_where_it_is_shown_by_itself(run: Results) -> None:
    drawn = of_run(run)
    lines = drawn["accuracy"].axes[0].lines[::2]
    assert {hexadecimal(line.get_color()) for line in lines} == {BASELINE_COLOUR, EXPECTED[WINNER]}
    (axes,) = drawn["gained_and_lost"].axes
    assert hexadecimal(axes.patches[0].get_facecolor()) == EXPECTED[WINNER]


@pytest.mark.parametrize("names", [NAMES[:2], ("third", "new")])
def test_a_profile_of_some_settings_of_a_run(names: tuple[str, ...]) -> None:
    """Without a run, the places are the profile's; with one, the run's, and new ones follow."""
    run = {name: place for place, name in enumerate(EXPECTED)}
    expected = [EXPECTED.get(name, COLOURS[0]) for name in names]  # "new" is the fifth
    for places, colours in ((run, expected), (None, list(COLOURS[:2]))):
        own = profile(names)
        lines = mass_by_layer(own, places=places).axes[0].lines
        assert [hexadecimal(line.get_color()) for line in lines] == [BASELINE_COLOUR, *colours]
        for axes, colour in zip(layer_head_map(own, places=places).axes[1:3], colours, strict=True):
            assert hexadecimal(axes._left_title.get_color()) == colour
            assert {hexadecimal(bar.get_color()) for bar in axes.lines} == {colour}
            assert hexadecimal(axes.images[0].get_cmap()(1.0)) == colour
        clip = np.sin(np.arange(16_000) / 9)
        steps = listening(timeline(names), clip, 16_000, places=places).axes[2].patches
        outlines = [hexadecimal(own.get_edgecolor()) for own in steps if not own.get_fill()]
        assert outlines == [BASELINE_COLOUR, *colours]
        answers = [answer(name) for name in ("baseline", *names)]
        for axes, colour in zip(
            words(answers, clip, 16_000, places=places).axes[1:], (BASELINE_COLOUR, *colours),
            strict=True,
        ):  # fmt: skip
            assert hexadecimal(axes._left_title.get_color()) == colour
            assert hexadecimal(axes.collections[0].get_cmap()(1.0)) == colour


def test_the_page_has_the_same_colours(run: Results) -> None:
    """Each place of the page that belongs to a setting has the class of its colour."""
    page = render_report(plain(run), {})
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    variables = dict(re.findall(r"--([\w-]+): (#\w{6});", style.split("}")[0]))
    assert {name: variables[name] for name in named_colours()} == named_colours()
    classes = dict(re.findall(r"\.([\w-]+) \{ --own: var\(--([\w-]+)\); \}", style))
    assert list(classes) == list(classes.values()) == list(named_colours())
    place = (
        r'<(?:article class="result|th [^>]*class="|caption [^>]*class=")([^"]+)"[^>]*>'
        r'(?:<span class="own">)?(?:\s*<h3>)?\s*<svg.*?<path class="([\w-]+)[^>]*></svg> '
        r"<bdi>([^<]+)</bdi>"
    )
    found = re.findall(place, page, re.DOTALL)
    assert {name for _, _, name in found} == {*EXPECTED}
    assert len(found) == 4 + 5 + 4  # cards, columns of the table of accuracies, tables of changes
    for outer, marker, name in found:
        assert variables[classes[outer.split()[-1]]] == EXPECTED[name]
        assert marker == outer.split()[-1]
