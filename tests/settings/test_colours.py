"""The settings' colours: readable on every ground of the pages, and apart for every eye."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from mata_audio.evaluation.report.shell import STYLE, resource
from mata_audio.settings.colours import (
    COLOURS,
    DARK_INK,
    DARK_PAPER,
    INK,
    PAPER,
    SHAPES,
    in_the_dark,
    look,
    named_colours,
    places_of,
)

# Machado, Oliveira and Fernandes 2009, severity 1, on linear sRGB.
SEEN_BY = {
    "most people": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)  # of linear sRGB


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    low, high = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(light: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB."""
    x, y, z = np.cbrt(XYZ @ light / (XYZ @ np.ones(3)))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def grounds() -> dict[str, set[str]]:
    """The colours on which the report writes, from its style sheet, by mode."""
    style = resource(STYLE)
    found = [
        dict(re.findall(r"--([\w-]+): (#\w{6});", block))
        for block in re.findall(r":root \{(.*?)\n *\}", style, re.DOTALL)
    ]
    names = ("page", "soft", "mark")
    light, dark = ({own[name] for name in names} for own in found[:2])
    return {"light": {*light, PAPER}, "dark": {*dark, DARK_PAPER}}


def colours(mode: str) -> list[str]:
    own = list(named_colours().values())
    return own if mode == "light" else [in_the_dark(colour) for colour in own]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_in_a_settings_colour_can_be_read_everywhere(mode: str) -> None:
    assert len(grounds()[mode]) == 4
    for colour in colours(mode):
        for ground in grounds()[mode]:
            assert contrast(colour, ground) >= 4.5, (colour, ground)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("eyes", SEEN_BY)
def test_colours_are_apart(eyes: str, mode: str) -> None:
    """A CIELAB difference of 12 is five times what can just be seen."""
    seen = [lab(np.clip(SEEN_BY[eyes] @ linear(colour), 0, 1)) for colour in colours(mode)]
    assert len(seen) == 1 + len(COLOURS)
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) >= 12


def test_twenty_settings_differ_and_the_next_twenty_are_hollow() -> None:
    every = [look(place) for place in range(1, 41)]
    assert len({(own.colour, own.shape, own.hollow) for own in every}) == 40
    assert [own.hollow for own in every] == [False] * 20 + [True] * 20
    assert {own.shape for own in every} == set(range(SHAPES))
    assert [own.colour for own in every[:4]] == list(COLOURS)
    assert look(41) == look(1)
    assert look(0).colour not in COLOURS
    assert look(0).shape is None


def test_in_the_dark_paper_is_dark_and_ink_is_light() -> None:
    assert in_the_dark(PAPER) == DARK_PAPER
    assert contrast(in_the_dark(INK), DARK_PAPER) > 12
    assert np.abs(linear(in_the_dark(INK)) - linear(DARK_INK)).max() < 0.05


def test_places_go_on_after_those_that_are_known() -> None:
    assert places_of(["baseline", "a", "b"]) == {"baseline": 0, "a": 1, "b": 2}
    run = {"baseline": 0, "x": 1, "b": 2}
    assert places_of(["baseline", "a", "b", "c"], run) == {**run, "a": 3, "c": 4}
