"""``mata_audio`` lists what there is, and imports it when it is used."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import mata_audio


def test_what_is_listed_is_there() -> None:
    names = dir(mata_audio)
    assert {"MATA", "evaluate", "profile", "register_family", "setting_for", "pictures"} <= {*names}
    assert "TYPE_CHECKING" not in names
    for name in names:
        assert getattr(mata_audio, name) is not None
    evaluation = importlib.import_module("mata_audio.evaluation")
    assert "evaluate" in dir(evaluation)


def test_names_are_those_of_their_folders() -> None:
    from mata_audio import choose, evaluate, grid, profile, register_family, sweep
    from mata_audio.evaluation.choosing.choose import choose as chosen
    from mata_audio.evaluation.running.evaluate import evaluate as evaluated
    from mata_audio.evaluation.sweep.grid import grid as of_settings
    from mata_audio.evaluation.sweep.sweep import sweep as swept
    from mata_audio.families.registering import register_family as registering
    from mata_audio.profiling.attention_profile import profile as profiled

    assert (evaluate, profile, register_family) == (evaluated, profiled, registering)
    assert (choose, grid, sweep) == (chosen, of_settings, swept)
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        mata_audio.evalute  # noqa: B018


def test_listing_and_importing_wait_for_nothing_heavy() -> None:
    program = (
        "import sys, mata_audio; dir(mata_audio); heavy = {'torch', 'transformers', 'numpy', "
        "'matplotlib', 'markupsafe', 'mata_audio.notebook', 'mata_audio.evaluation'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
