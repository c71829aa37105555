"""Settings that are one and the same on a model: found, and never run under two names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mata_audio import MATA
from mata_audio.errors import SettingsError
from mata_audio.evaluation import NamedSetting
from mata_audio.evaluation.running.equal_settings import equal_settings
from mata_audio.evaluation.running.plan import make_plan
from mata_audio.families import locate
from mata_audio.models.finding import find_model, skeleton
from mata_audio.tiny import TINY

SETTINGS = st.builds(
    MATA,
    alpha=st.sampled_from([0.0, 0.1, 0.2]),
    layers=st.sampled_from([None, "4-8", "4,5,6,7,8", "0-11", "0-3"]),
    heads=st.sampled_from([None, "0", "0-1", "0-3"]),
    rows=st.sampled_from(["last", "all", "random-8"]),
    seed=st.sampled_from([0, 1]),
    formula=st.sampled_from(["multiply", "absolute"]),
)
LOCATED = locate(skeleton(find_model(TINY)))


@given(settings=st.lists(SETTINGS, min_size=1, max_size=6, unique_by=repr))
def test_only_settings_with_the_same_effect_are_equal(settings: list[MATA]) -> None:
    named = [NamedSetting("baseline", None)]
    named += [NamedSetting(f"s{number}", mata) for number, mata in enumerate(settings)]
    equal = equal_settings(named, LOCATED)

    def effect(mata: MATA) -> Any:
        layers = set(range(4, 9) if mata.layers is None else mata.layers)
        heads = set(range(LOCATED.heads) if mata.heads is None else mata.heads)
        steered = (mata.alpha, layers, heads) if mata.alpha else ()
        return steered, mata.rows, mata.seed * (mata.rows == "random-8"), mata.formula

    for place, mata in enumerate(settings):
        same = [p for p in range(place) if effect(settings[p]) == effect(mata)]
        assert equal.get(f"s{place}") == (f"s{same[0]}" if same else None)


def test_a_run_of_one_setting_under_two_names_is_refused() -> None:
    settings = [NamedSetting("paper", MATA()), NamedSetting("mine", MATA(layers="4-8"))]
    with pytest.raises(SettingsError, match="'paper' and 'mine' are one and the same on this mod"):
        make_plan(TINY, TINY, settings=settings)
    settings[1] = NamedSetting("mine", MATA(layers="4-7"))
    assert len(make_plan(TINY, TINY, settings=settings).settings) == 3
