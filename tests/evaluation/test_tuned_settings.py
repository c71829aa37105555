"""Settings chosen by fitting: what is kept of how they were fitted, and what they do when run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

from mata_audio import MATA, SettingsError
from mata_audio.cli.main import main
from mata_audio.errors import RunError
from mata_audio.evaluation import evaluate
from mata_audio.evaluation.choosing import Choice, choose, descent
from mata_audio.evaluation.choosing.choose import WAYS
from mata_audio.evaluation.choosing.descent import fit
from mata_audio.evaluation.choosing.fitting import Fitting, read_kinds
from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.sweep.sweep import tuning_part
from mata_audio.evaluation.tasks import task_named
from mata_audio.methods import Changes, Mass
from mata_audio.settings.named import NamedSetting, load_setting

SCORES = read_kinds("multiply")
FEW: dict[str, Any] = {"split": "tune", "limit": 48}


def chosen(out: Path, by: str = "tune", **more: Any) -> Choice:
    fitting = Fitting(**{"steps": 4, **more}) if by == "tune" else None
    return choose("tiny", "tiny", out, by, **FEW, fitting=fitting)


def counts(results: Results, ids: set[str]) -> tuple[int, int]:
    """Answers gained and lost by the only setting among some items."""
    pairs = [
        (item.answers["baseline"].correct, item.answers["own"].correct)
        for item in results.items
        if item.id in ids
    ]
    return pairs.count((False, True)), pairs.count((True, False))


def test_tuned_gains_are_a_setting_like_any_other(tmp_path: Path) -> None:
    choice = chosen(tmp_path)
    evidence = choice.evidence
    assert evidence is not None
    assert isinstance(evidence.setting, Mass)
    gains = torch.tensor(evidence.setting.gains)
    assert gains.shape == (12, 4)
    assert list(evidence.scores) == pytest.approx(gains.mean(1).tolist(), abs=1e-6)
    facts = evidence.facts["fitting"]
    # 24 tuning items, 8 of each condition, of which a third is 3.
    assert (facts["fitted_on"], facts["validated_on"], facts["numbers"]) == (15, 9, 48)
    assert facts["validation_after"]["loss"] < facts["validation_before"]["loss"]
    assert choice.sweep is not None
    swept = [s.method for s in choice.sweep.results.settings if s.method is not None]
    assert [(own["method"], own["alpha"]) for own in swept] == [("mass", 0.5), ("mass", 1.0)]
    if choice.setting is not None and choice.sweep.recommended is not None:
        stored = load_setting(tmp_path / "winner.json")
        assert stored.method == choice.setting.method
        assert stored.tuned_on is not None
        assert stored.tuned_on["how"]["by"] == "tune"
        assert stored.tuned_on["how"]["fitting"] == facts
        assert len(stored.tuned_on["ids"]) == 24


def test_the_evaluation_finds_what_the_fit_saw(tmp_path: Path) -> None:
    """Several kinds and a contrast: the same answers gained and lost on the validation items."""
    group = ("sub-category", "caption agrees")
    fitting = Fitting(
        read_kinds("mass,add:text,value:special"),
        contrast=True,
        keep=(group,),
        steps=8,
        rate=0.4,
        patience=8,
    )
    more: dict[str, Any] = {"split": "tune", "limit": 120}
    choice = choose("tiny", "tiny", tmp_path / "a", "tune", **more, fitting=fitting, alphas=[1])
    assert choice.evidence is not None
    assert isinstance(choice.evidence.setting, Changes)
    assert choice.evidence.setting.contrast != 0
    facts = choice.evidence.facts["fitting"]
    items = {item.id: item for item in task_named("tiny").load(None, "tune").items}
    assert choice.sweep is not None
    tuning = [items[id] for id in choice.sweep.tuning_ids]
    unseen = set(tuning_part(task_named("tiny"), tuning, 1 / 3, seed=1))
    own = NamedSetting("own", choice.evidence.setting)
    results = evaluate("tiny", "tiny", tmp_path / "b", settings=own, **more)
    after = facts["validation_after"]
    assert counts(results, unseen) == (after["gained"], after["lost"])
    assert after["gained"] + after["lost"] > 0  # else this test shows nothing
    guarded = {id for id in unseen if items[id].groups[group[0]] == group[1]}
    kept = after["keep"]["sub-category=caption agrees"]
    assert counts(results, guarded) == (kept["gained"], kept["lost"])
    assert kept["gained"] >= kept["lost"]


def test_folds_are_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part of the items is kept back once; the gains are the mean of the three fits."""
    seen: list[tuple[int, int]] = []
    found: list[Tensor] = []

    def watched(model: Any, to_fit: Any, to_stop: Any, *more: Any) -> descent.Fitted:
        seen.append((sum(map(len, to_fit)), sum(map(len, to_stop))))
        fitted = fit(model, to_fit, to_stop, *more)
        found.append(fitted.gains[0])
        return fitted

    monkeypatch.setattr("mata_audio.evaluation.choosing.tune.fit", watched)
    choice = chosen(tmp_path, folds=3, steps=4)
    assert choice.evidence is not None
    # 24 tuning items, 8 of each condition: thirds of 3, 2 or 3, and the rest.
    assert sum(stop for _, stop in seen) == 24
    assert all(fitted + stop == 24 and stop in (6, 9) for fitted, stop in seen)
    assert isinstance(choice.evidence.setting, Mass)
    gains = torch.tensor(choice.evidence.setting.gains, dtype=torch.float64)
    torch.testing.assert_close(gains, sum(found) / 3, atol=5e-5, rtol=0)
    assert len(choice.evidence.facts["fitting"]["kept_after_steps"]) == 3


def test_gains_of_scores_as_before(tmp_path: Path) -> None:
    choice = chosen(tmp_path, kinds=SCORES, hold=3.0)
    assert choice.evidence is not None
    assert isinstance(choice.evidence.setting, MATA)
    assert choice.evidence.setting.formula == "multiply"
    assert choice.evidence.facts["fitting"]["hold"] == 3.0


def test_nothing_is_measured_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = chosen(tmp_path)
    measured = Mock(side_effect=AssertionError("measured again"))
    monkeypatch.setitem(WAYS, "tune", WAYS["tune"].__class__("", measured, (0.5, 1)))
    again = chosen(tmp_path)
    assert again.evidence == first.evidence
    assert again.sweep is not None
    assert first.sweep is not None
    assert again.sweep.tuning == first.sweep.tuning
    for other in ({"seed": 2}, {"kinds": SCORES}, {"steps": 11}):
        with pytest.raises(AssertionError, match="measured again"):
            chosen(tmp_path, **other)
    (tmp_path / "evidence.json").write_text("{")
    with pytest.raises(RunError, match="delete it to measure again"):
        chosen(tmp_path)


def test_gains_apply_to_the_model_that_they_were_fitted_on(tmp_path: Path) -> None:
    """By the digests in the setting's file; other weights of the same shape are refused."""
    chosen(tmp_path / "a", steps=2)
    evidence = json.loads((tmp_path / "a" / "evidence.json").read_text())["evidence"]
    fitting = evidence["facts"]["fitting"]
    setting = Mass(gains=torch.full((12, 4), 0.5))
    tuned_on = {"task": "tiny", "split": "tune", "how": {"fitting": fitting}}
    own = NamedSetting("own", setting, tuned_on)
    evaluate("tiny", "tiny", tmp_path / "b", settings=own, limit=1)
    fitting["weights"] = {"model.safetensors": "0" * 64}
    with pytest.raises(SettingsError, match="'own' were fitted on a model with other weights"):
        evaluate("tiny", "tiny", tmp_path / "c", settings=own, limit=1)
    assert not (tmp_path / "c" / "items.jsonl").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="neither a run nor empty"):
        choose("tiny", "tiny", tmp_path, split="tune", limit=24)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_heads_that_help_on_average(tmp_path: Path) -> None:
    choice = choose("tiny", "tiny", tmp_path, "gradient-heads", split="tune", limit=48, alphas=[1])
    assert choice.evidence is not None
    heads = choice.evidence.facts["heads"]
    low = torch.tensor(heads["low"])
    assert (low > 0).any()
    assert torch.equal(torch.tensor(choice.evidence.setting.gains), (low > 0).float())
    by_layer = torch.tensor(heads["mean"]).sum(1)
    assert by_layer.tolist() == pytest.approx(list(choice.evidence.scores), abs=1e-6)
    text = json.loads((tmp_path / "evidence.json").read_text())
    assert text["evidence"]["items"] == 24


def test_too_few_items_to_fit_and_stop(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="too few to fit gains"):
        choose("tiny", "tiny", tmp_path, "tune", split="tune", limit=20, tuning_share=0.1)


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (("mood", "sad"), "no grouping 'mood'; allowed: 'sub-category', 'task'"),
        (("task", "noise"), "no task 'noise'; allowed: 'music', 'sound', 'speech'"),
    ],
)
def test_groups_that_do_not_exist_cannot_be_kept(
    tmp_path: Path, keep: tuple[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        chosen(tmp_path, keep=(keep,))


def test_a_group_without_validation_items_cannot_be_kept(tmp_path: Path) -> None:
    options = {**FEW, "where": {"task": ["sound"]}}
    with pytest.raises(SettingsError, match="no item of task 'music' is among the 9 that decide"):
        choose(
            "tiny", "tiny", tmp_path, "tune", **options, fitting=Fitting(keep=(("task", "music"),))
        )


def test_nothing_found_leaves_an_earlier_run_alone(tmp_path: Path) -> None:
    choose("tiny", "tiny", tmp_path, "gradient", alphas=[1], **FEW)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(RunError, match="finds nothing to run: give another folder"):
        chosen(tmp_path, steps=0)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    choice = chosen(tmp_path / "new", steps=0)
    assert (choice.sweep, choice.setting) == (None, None)
    assert choice.verdict.startswith("Nothing was found with 24 items; differences below ")


def test_only_tune_fits(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="only tune fits anything: leave out how gradient"):
        choose("tiny", "tiny", tmp_path, "gradient", **FEW, fitting=Fitting())


def test_the_command_says_what_it_needs_and_what_was_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"choose tiny --task tiny --split tune --items 48 --out {tmp_path}".split()
    options = ["--by", "tune", "--kinds", "mass,value:text", "--shape", "per-layer"]
    more = ["--steps", "3", "--keep", "sub-category=caption agrees", "--fit-seed", "4"]
    assert main([*command, *options, *more]) == 0
    said = capsys.readouterr()
    assert "fitting 24 numbers on 24 items: about " in said.err
    assert "to read them and up to " in said.err
    assert "24 numbers fitted on 15 tuning items in up to 3 steps." in said.out
    assert "sub-category=caption agrees had to keep what it had: " in said.out
    made_from = json.loads((tmp_path / "evidence.json").read_text())["made_from"]
    assert made_from["fitting"]["kinds"] == ["mass:audio", "value:text"]
    assert made_from["fitting"]["seed"] == 4
    assert main([*command, "--by", "gradient", "--steps", "3"]) == 2
    assert "only tune fits anything" in capsys.readouterr().err
