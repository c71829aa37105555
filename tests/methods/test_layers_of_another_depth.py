"""Layers written for a decoder of another depth: ``"9-14 of 32"``."""

from __future__ import annotations

import pytest

from mata_audio import MATA, SettingsError
from mata_audio.notation.layers import read_layers
from mata_audio.settings.in_words import short_name
from mata_audio.steering.gain_tensor import chosen_layers


@pytest.mark.parametrize(
    ("written", "depth", "expected"),
    [
        ("9-14 of 32", 32, range(9, 15)),
        ("2-31 of 32", 32, range(2, 32)),
        ("2-31 of 32", 28, range(2, 28)),  # 1.75 to 28
        ("9-14 of 32", 28, range(8, 13)),  # 7.875 to 13.125
        ("9-14 of 32", 4, range(1, 2)),  # 1.125 to 1.875
        ("31-31 of 32", 2, range(1, 2)),  # at least one layer
        ("10-20 of 28", 28, range(10, 21)),
        (" 10 -  20  of 28 ", 12, range(4, 9)),
    ],
)
def test_they_are_scaled(written: str, depth: int, expected: range) -> None:
    assert chosen_layers(MATA(layers=written), depth) == tuple(expected)


def test_they_are_kept_as_they_were_meant() -> None:
    assert read_layers(" 9 - 14 of 32") == "9-14 of 32"
    assert MATA(layers="9 -14 of 32") == MATA(layers="9-14 of 32")
    assert short_name(MATA(layers="9-14 of 32")) == "alpha 0.1, layers 9-14 of 32"


@pytest.mark.parametrize("written", ["14-9 of 32", "9-32 of 32", "0-0 of 0", "1-2 of 99999"])
def test_a_range_that_no_decoder_has_is_refused(written: str) -> None:
    with pytest.raises(SettingsError, match=r"layers=.*layers 0-.*such as"):
        MATA(layers=written)


@pytest.mark.parametrize(
    "written", ["9-14 of", "9 of 32", "9-14 of 32, 20", f"0-1 of {'9' * 5000}"]
)
def test_what_cannot_be_read_is_refused(written: str) -> None:
    with pytest.raises(SettingsError, match=r"layers=.*cannot be read"):
        MATA(layers=written)
