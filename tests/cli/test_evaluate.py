"""``mata eval``, ``report``, ``compare``, ``rescore``: what they print and write."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
from running import Mata, Outcome, error_line

from mata_audio.cli.main import main
from mata_audio.cli.options.setting import parse_setting
from mata_audio.errors import SettingsError
from mata_audio.evaluation.tasks import official_output
from mata_audio.methods.mata import MATA
from paper_data import write_mmau

LIMIT = ("--items", "8")
TINY = ("eval", "tiny", "--task", "tiny")


@pytest.fixture
def eval_mmau(mata: Mata, qwen2_audio_folder: Path, tmp_path: Path) -> Mata:
    """``mata eval`` of a random model on MMAU in ``tmp_path``, with further words."""
    words = ("eval", qwen2_audio_folder, "--task", "mmau", "--data", tmp_path / "MMAU")
    return partial(mata, *words, "--out", tmp_path / "run")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of eight items. Not to be written to, but for its report."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    assert main([*TINY, "--out", str(out), *LIMIT]) == 0
    return out


def test_what_a_run_prints_and_writes(mata: Mata, run_folder: Path) -> None:
    outcome = mata(*TINY, "--out", run_folder, *LIMIT)
    assert outcome.code == 0
    for words in ("MATA (multiply, alpha 2, layers 3-7", "difference", "8 of the 2,412 items"):
        assert words in outcome.out
    assert "tiny on mata-tiny test: 8 items" in outcome.err
    written = {path.name for path in run_folder.iterdir()}
    assert {"run.json", "items.jsonl", "predictions"} <= written
    assert {f"results.{form}" for form in ("json", "md", "tex", "csv")} <= written
    tuned = json.loads((run_folder / "run.json").read_text())["identity"]["settings"]["MATA"]
    assert tuned["tuned_on"] == {"task": "tiny", "split": "tune"}


def test_a_setting_tuned_on_the_same_items_is_marked(mata: Mata, tmp_path: Path) -> None:
    outcome = mata(*TINY, "--split", "tune", "--out", tmp_path / "run", "--items", "2")
    assert "[tuned on these items]" in outcome.out


def test_dry_run_shows_three_prompts_and_writes_nothing(mata: Mata, tmp_path: Path) -> None:
    outcome = mata(*TINY, "--out", tmp_path / "run", "--dry-run")
    assert outcome.code == 0
    assert outcome.out.count("<|im_start|>user") == 3
    assert "2,412 items" in outcome.out
    assert not (tmp_path / "run").exists()


def test_official_scorer_agrees_on_the_predictions(
    mata: Mata, eval_mmau: Mata, tmp_path: Path
) -> None:
    """The accuracy of the run is what MMAU's script would print for its prediction file."""
    write_mmau(tmp_path / "MMAU", n=6)
    assert eval_mmau("--max-new-tokens", "4", "--reader", "whole").code == 0
    run = tmp_path / "run"
    results = json.loads((run / "results.json").read_text())
    for setting in ("baseline", "MATA"):
        printed = official_output("mmau", run / "predictions" / f"{setting}.json")
        total = re.search(r"Total Accuracy: ([\d.]+)% over (\d+) samples", printed)
        figures = results["overall"]["accuracy"][setting]
        assert total is not None
        assert (total[1], total[2]) == (f"{100 * figures['value']:.2f}", str(figures["n"]))
        assert mata("score", "mmau", run / "predictions" / f"{setting}.json").out == printed


def test_a_split_with_hidden_answers_ends_with_submissions(eval_mmau: Mata, tmp_path: Path) -> None:
    write_mmau(tmp_path / "MMAU", n=2, hidden=3)
    outcome = eval_mmau("--split", "test", "--max-new-tokens", "2")
    assert outcome.code == 0
    assert "The answers of this split are hidden. To submit:" in outcome.out
    assert "difference" not in outcome.out
    submission = json.loads((tmp_path / "run" / "predictions" / "MATA.json").read_text())
    assert len(submission) == 3
    assert all(isinstance(record["model_output"], str) for record in submission)


def test_failed_items_are_listed(eval_mmau: Mata, tmp_path: Path) -> None:
    data = write_mmau(tmp_path / "MMAU", n=3)
    record = json.loads((data / "mmau-test-mini.json").read_text())[0]
    (data / record["audio_id"]).write_bytes(b"")
    outcome = eval_mmau("--max-new-tokens", "2")
    assert outcome.code == 0
    assert re.search(r"^error  \S+: AudioError: .*empty", outcome.out, re.MULTILINE)
    assert "1 item failed" in outcome.out
    assert "1 failed" in outcome.err


def test_report_writes_one_page(mata: Mata, run_folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    outcome = mata("report", run_folder, "--html", page)
    assert (outcome.code, outcome.out.strip()) == (0, str(page))
    text = page.read_text()
    assert text.count("data:audio/wav;base64,") == 8
    assert "mata-tiny" in text
    assert mata("report", run_folder, "--html", page, "--clips", "link").code == 0
    assert "data:audio" not in page.read_text()
    assert len([*(tmp_path / "page-audio").iterdir()]) == 8
    assert mata("report", run_folder, "--html", page, "--clips", "none").code == 0


def test_compare_pairs_two_runs(mata: Mata, run_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert mata(*TINY, "--out", other, *LIMIT, "--baseline-only").code == 0
    same = mata("compare", run_folder, other)
    assert same.code == 0
    assert "baseline  against" in same.out
    assert "MATA  against" not in same.out
    named = mata("compare", f"{other}:baseline", f"{run_folder}:MATA")
    assert "all" in named.out
    assert error_line(mata("compare", f"{other}:baseline", run_folder))


def test_compare_refuses_other_items(mata: Mata, run_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert mata(*TINY, "--out", other, "--items", "7").code == 0
    outcome = mata("compare", run_folder, other)
    assert outcome.code == 1
    assert "cannot be paired: 1 items are only in the first" in error_line(outcome)


def test_rescore_reads_the_raw_answers_again(mata: Mata, run_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run_folder, tmp_path / "copy"))
    raw = (copy / "items.jsonl").read_bytes()
    outcome = mata("rescore", copy, "--reader", "final-line+letter")
    assert outcome.code == 0
    assert json.loads((copy / "run.json").read_text())["facts"]["reader"] == "final-line+letter"
    assert (copy / "items.jsonl").read_bytes() == raw
    wrong = mata("rescore", copy, "--reader", "mind")
    assert wrong.code == 1
    assert "answer-tag" in error_line(wrong)


@pytest.mark.parametrize("command", ["report", "rescore", "compare"])
def test_a_folder_without_a_run(mata: Mata, tmp_path: Path, command: str) -> None:
    more = {"report": [], "rescore": ["--reader", "whole"], "compare": [tmp_path]}[command]
    outcome: Outcome = mata(command, tmp_path, *more)
    assert outcome.code == 1
    assert str(tmp_path) in error_line(outcome)


def test_setting_specs(tmp_path: Path) -> None:
    named = parse_setting("weak one: alpha=0.05 layers=3,5-7 heads=all formula=add")
    assert named.name == "weak one"
    assert named.method == MATA(alpha=0.05, layers="3,5-7", formula="add")
    assert parse_setting("paper").method == MATA()
    assert parse_setting("alpha=0.2").name == "alpha 0.2"
    MATA(alpha=0.3).save(tmp_path / "mine.json")
    assert parse_setting(str(tmp_path / "mine.json")).name == "mine"
    renamed = parse_setting(f"other: {tmp_path / 'mine.json'}")
    assert (renamed.name, renamed.method) == ("other", MATA(alpha=0.3))
    for wrong in ("", "name:", "alpha=ten", "strength=1"):
        with pytest.raises(SettingsError):
            parse_setting(wrong)
