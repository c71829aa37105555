"""Without a harness, what is missing is said."""

from __future__ import annotations

import importlib
import sys

import pytest

from mata_audio import SettingsError


@pytest.mark.parametrize(
    ("harness", "extra"), [("inspect_ai", "inspect"), ("lmms_eval", "lmms-eval")]
)
def test_a_missing_harness(harness: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = f"mata_audio.harnesses.{harness}"
    for name in list(sys.modules):
        if name == ours or name.startswith(ours + "."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("mata_audio.harnesses.extras.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=rf"pip install 'mata-audio\[{extra}\]'"):
        importlib.import_module(ours)
