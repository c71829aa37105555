"""What counts as the same figures, in the tests that hold a page against what is printed."""

from __future__ import annotations

import pytest

from rounding import is_same, shows


@pytest.mark.parametrize(
    ("now", "before", "same"),
    [
        ("46.4 % of 12", "46.4 % of 12", True),
        ("46.5 % of 12", "46.4 % of 12", True),
        ("100.0 %", "99.9 %", True),
        ("46.6 % of 12", "46.4 % of 12", False),
        ("46.4 % of 13", "46.4 % of 12", False),
        ("46.4 % in 12", "46.4 % of 12", False),
        ("46.4 % of 12.", "46.4 % of 12", False),
        ("p = 0.00098", "p = 0.00099", True),
        ("p = 0.00098", "p = 0.0011", False),
        ("p = 5.3e-09", "p = 5.4e-09", True),
        ("p = 5.3e-08", "p = 5.3e-09", False),
        ("-0.1", "+0.1", False),
        ("1,205 items (a)", "1,205 items (a)", True),
        ("1,205 items", "1,206 items", False),
    ],
)
def test_the_same_but_for_rounding(now: str, before: str, same: bool) -> None:
    assert is_same(now, before) is same
    assert shows(f"first\n{now}\nlast", f"{before}\n") is same
    assert shows(f"0.1 {before} 46.4 % of 12 x", before)
