"""What a steered answer must say of itself."""

from __future__ import annotations

from typing import Any

import pytest


def assert_account(facts: dict[str, Any], receipt: Any) -> None:
    """Check layers, counts and shares of attention against the receipt of the same question."""
    assert facts["layers"] == list(receipt.layers)
    assert facts["audio_tokens"] == sum(receipt.audio_tokens)
    assert facts["active_rows"] == receipt.active_rows
    for name, mass in (
        ("audio_mass", receipt.mass_before),
        ("audio_mass_steered", receipt.mass_after),
    ):
        assert facts[name] == (None if mass is None else pytest.approx(mass, abs=1e-5))
