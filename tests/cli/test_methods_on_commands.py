"""Every command that takes a setting takes every method."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Mata, error_line

from mata_audio.cli.main import build_parser
from mata_audio.cli.options.setting import parse_setting, setting_from, settings_from
from mata_audio.errors import SettingsError
from mata_audio.methods import METHODS, AdaptVis, Contrast, Mass, Method
from mata_audio.methods.mata import MATA
from mata_audio.models.other_audio import OTHERS
from mata_audio.settings.named import NamedSetting
from mata_audio.tiny import MODEL_PATH

EVAL = ("eval", "tiny", "--task", "tiny", "--items", "2")
PROFILE = ("profile", "tiny", "--task", "tiny", "--items", "1")

GIVEN = {name for name, method in METHODS.items() if set(method().rule().others) - set(OTHERS)}
"""Methods that compare with a prompt which only their caller can write."""

each_method = pytest.mark.parametrize("name", [name for name in METHODS if name not in GIVEN])


def own_setting(*words: str, folder: Path | None = None) -> Method:
    args = build_parser().parse_args(["ask", "model", "What?", "--audio", "a.wav", *words])
    return setting_from(args, folder).method


@each_method
def test_eval(mata: Mata, tmp_path: Path, name: str) -> None:
    outcome = mata(*EVAL, "--out", tmp_path / "run", "--method", name)
    assert outcome.code == 0
    title = METHODS[name].__name__
    assert f"settings: baseline, {title}\n" in outcome.err
    assert f"{title} (" in outcome.out.splitlines()[0]
    stored = json.loads((tmp_path / "run" / "run.json").read_text())["identity"]["settings"]
    # The embedded model's own file is a setting of MATA.
    expected = Method.load(MODEL_PATH / "mata.json") if name == "mata" else METHODS[name]()
    assert stored[title]["method"] == expected.as_data()


@each_method
def test_ask(mata: Mata, clip: Path, name: str) -> None:
    outcome = mata("ask", "tiny", "Which sound is this?", "--audio", clip, "--method", name)
    assert outcome.code == 0
    assert f"answering with {METHODS[name].__name__}\n" in outcome.err
    own = "from its mata.json; MATA()'s default is alpha 0.1, the paper's layers"
    origin = own if name == "mata" else f"the defaults of {name}"
    assert f"           ({origin})\n" in outcome.out


def test_a_prompt_that_only_the_caller_can_write_is_asked_for(mata: Mata, clip: Path) -> None:
    assert {"gacl"} == GIVEN
    ask = ("ask", "tiny", "Which sound is this?", "--audio", clip)
    for command in ((*EVAL, "--out", clip.parent / "run"), PROFILE, ask):
        outcome = mata(*command, "--method", "gacl")
        assert outcome.code == 2
        assert "method(model, others={" in error_line(outcome)
        assert "loading" not in outcome.err  # refused before any weights are read


@each_method
def test_profile_shows_attention_or_says_why_not(mata: Mata, name: str) -> None:
    outcome = mata(*PROFILE, "--method", name)
    rule = METHODS[name]().rule()
    if rule.combine is None and rule.look is None and rule.rows.is_last:
        assert outcome.code == 0
        assert f"on: {METHODS[name].__name__} (" in outcome.out
    else:
        assert outcome.code == 2
        said = error_line(outcome)
        assert "a profile shows " in said
        assert METHODS[name].__name__ in said
        assert "loading" not in outcome.err  # refused before any weights are read


@pytest.mark.parametrize("name", ["contrast", "mass"])
def test_demo_and_its_page(mata: Mata, tmp_path: Path, name: str) -> None:
    title = METHODS[name].__name__
    outcome = mata("demo", "--items", "6", "--method", name, "--out", tmp_path)
    assert outcome.code == 0
    assert outcome.out.startswith(f"{title} on the embedded model: 6 held-out questions")
    assert f"  settings       the defaults of {name}\n" in outcome.out
    page = (tmp_path / "report.html").read_text()
    assert title in page
    drawn = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert "gained_and_lost.svg" in drawn
    assert ("mass_by_layer.svg" in drawn) == (name == "mass")
    assert ("attention      none: a profile shows" in outcome.out) == (name == "contrast")


@pytest.mark.parametrize("name", ["contrast", "mass"])
def test_report_and_pictures(mata: Mata, tmp_path: Path, name: str) -> None:
    run, title = tmp_path / "run", METHODS[name].__name__
    assert mata(*EVAL, "--out", run, "--method", name).code == 0
    assert mata("pictures", run).code == 0
    assert mata("report", run).code == 0
    page = (run / "report.html").read_text()
    assert f"<bdi>{name}, alpha " in page
    assert f"<bdi>{title}</bdi>" in page


def test_options_make_the_setting(tmp_path: Path) -> None:
    assert own_setting() == MATA()
    assert own_setting("--method", "mass") == Mass()
    assert own_setting("--method", "mass", "--alpha", "2", "--option", "clipped=true") == Mass(
        alpha=2, clipped=True
    )
    assert own_setting("--method", "contrast", "--option", "power=0", "--option", "cut=0") == (
        Contrast(power=0, cut=0)
    )
    assert own_setting("--method", "adaptvis", "--option", "w2=1.2") == AdaptVis(w2=1.2)
    assert own_setting("--option", "on_no_audio=ignore") == MATA(on_no_audio="ignore")
    Contrast(alpha=3).save(tmp_path / "mata.json")
    file = str(tmp_path / "mata.json")
    assert own_setting("--settings", file, "--option", "power=1") == Contrast(alpha=3, power=1)
    assert own_setting("--settings", file, "--method", "contrast") == Contrast(alpha=3)


def test_the_models_own_setting_is_of_its_method(tmp_path: Path) -> None:
    """``mata.json`` counts unless another method is asked for."""
    Contrast(alpha=3).save(tmp_path / "mata.json")
    assert own_setting(folder=tmp_path) == Contrast(alpha=3)
    assert own_setting("--method", "contrast", "--alpha", "1", folder=tmp_path) == Contrast(alpha=1)
    assert own_setting("--method", "mata", folder=tmp_path) == MATA()
    with pytest.raises(SettingsError, match="contrast has no field 'layers'"):
        own_setting("--layers", "1-2", folder=tmp_path)


def test_a_file_keeps_what_it_was_tuned_on() -> None:
    def of(*words: str) -> NamedSetting:
        command = ["eval", "tiny", "--task", "tiny", "--out", "x", *words]
        (setting,) = settings_from(build_parser().parse_args(command))
        return setting

    assert of() == of("--method", "mata")
    assert of("--method", "mata").tuned_on == {"task": "tiny", "split": "tune"}
    assert of("--method", "mass") == NamedSetting("Mass", Mass())
    assert of("--alpha", "1").tuned_on is None


def test_specs_of_other_methods() -> None:
    named = parse_setting("sure: method=contrast alpha=2.75 power=2")
    assert (named.name, named.method) == ("sure", Contrast(alpha=2.75, power=2))
    assert parse_setting("method=mass").method == Mass()
    assert parse_setting("method=mass layers=3,5-7 clipped=true").name == (
        "mass, alpha 1, layers 3,5-7, clipped"
    )
    assert parse_setting("method=mass layers='9-14 of 32'").method == Mass(layers="9-14 of 32")
    assert parse_setting("method=mata alpha=0.3").method == MATA(alpha=0.3)
