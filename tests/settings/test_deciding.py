"""One rule decides a setting: programs and commands take the same one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from mata_audio import MATA, SettingsError, setting_for
from mata_audio.cli.options.setting import add_setting_options, setting_from
from mata_audio.methods import Contrast, Mass, Method
from mata_audio.methods.own_file import folder_of
from mata_audio.settings.deciding import starting_setting


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    MATA(alpha=3, layers=[2]).save(tmp_path / "mata.json")
    Mass(alpha=0.5, heads=[1]).save(tmp_path / "given.json")
    return tmp_path


def by_command(folder: Path, **given: Any) -> Method:
    """The setting that a command takes for the same."""
    parser = argparse.ArgumentParser()
    add_setting_options(parser)
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    return setting_from(parser.parse_args(words), folder).method


def test_each_source_goes_over_the_next(folder: Path) -> None:
    file = folder / "given.json"
    bare = folder / "bare"
    bare.mkdir()
    expected: list[tuple[Path, dict[str, Any], Method]] = [
        (bare, {}, MATA()),
        (bare, {"method": "mass"}, Mass()),
        (folder, {}, MATA(alpha=3, layers=[2])),
        (folder, {"method": "contrast"}, Contrast()),
        (folder, {"settings": file}, Mass(alpha=0.5, heads=[1])),
        (folder, {"settings": file, "alpha": 7}, Mass(alpha=7, heads=[1])),
        (folder, {"alpha": 7}, MATA(alpha=7, layers=[2])),
        (folder, {"layers": "4-5"}, MATA(alpha=3, layers=[4, 5])),
    ]
    for at, given, setting in expected:
        assert setting_for(at, **given) == setting, given
        assert by_command(at, **given) == setting, given


def test_both_worlds_agree_on_the_embedded_model() -> None:
    folder = folder_of("tiny")
    assert folder is not None
    assert setting_for("tiny") == by_command(folder) == MATA.for_model("tiny").mata
    assert setting_for("tiny") == MATA(alpha=2.0, layers="3-7")
    assert setting_for("Qwen/Qwen2-Audio-7B-Instruct") == MATA()


def test_the_origin_says_where_the_default_differs(folder: Path) -> None:
    origin = starting_setting(folder).origin
    assert origin == "from its mata.json; MATA()'s default is alpha 0.1, the paper's layers"
    MATA().save(folder / "mata.json")
    assert starting_setting(folder).origin == "from its mata.json"
    Contrast(alpha=3).save(folder / "mata.json")
    assert starting_setting(folder).origin.startswith("from its mata.json; Contrast()'s default is")


def test_what_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"given\.json is for mass, not for contrast"):
        setting_for(folder, settings=folder / "given.json", method="contrast")
    with pytest.raises(SettingsError, match=r"no field 'alhpa' \(did you mean \"alpha\"\?\)"):
        setting_for(folder, alhpa=1)
    with pytest.raises(FileNotFoundError):
        setting_for(folder, settings=folder / "absent.json")
