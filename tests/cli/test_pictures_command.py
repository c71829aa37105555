"""``mata pictures`` and ``mata report``: which pictures a run and a sweep get, and wrong use."""

from __future__ import annotations

import argparse
import base64
import html
import re
import shutil
from pathlib import Path

import pytest
from running import Mata

from mata_audio.cli.commands import pictures
from mata_audio.cli.commands import report as report_command
from mata_audio.errors import RunError
from mata_audio.evaluation import evaluate
from mata_audio.evaluation.results.number_format import points, typeset
from mata_audio.evaluation.results.ranking import Sweep, rank
from mata_audio.evaluation.results.results_file import load_results
from mata_audio.evaluation.results.verdict import verdict
from mata_audio.evaluation.sweep import grid, sweep

pytest.importorskip("matplotlib")

RUN = ("accuracy", "gained_and_lost")
SWEEP = ("heatmap", "ranking")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    settings = grid(alphas=(1.0, 2.0), layers=("0-3", "3-7"))
    sweep("tiny", "tiny", folder, settings, split="tune", limit=24)
    return folder


def stored_sweep(folder: Path) -> Sweep:
    results = load_results(folder)
    return rank(results, results.tuning_ids)


def draw(folder: Path, out: Path | None = None) -> int:
    return pictures.run(argparse.Namespace(folder=folder, out=out))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def files(*pictures: str) -> set[str]:
    return {f"{name}.{form}" for name in pictures for form in ("svg", "png")}


def test_a_sweep_has_the_pictures_of_its_ranking_too(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw(swept, tmp_path / "figures") == 0
    alone = ("gained_and_lost",) if stored_sweep(swept).winner is None else ()
    expected = files(*({*SWEEP, *RUN} - {*alone}))
    assert names(tmp_path / "figures") == expected
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert {path.name for path in printed} == expected
    assert all(path.is_file() for path in printed)
    heatmap = (tmp_path / "figures" / "heatmap.svg").read_text("utf-8")
    assert "tuning part (12\N{NO-BREAK SPACE}items)" in heatmap


def test_a_run_has_two_pictures_and_the_baseline_alone_one(tmp_path: Path) -> None:
    run = tmp_path / "run"
    evaluate("tiny", "tiny", run, settings=grid(alphas=(1.0,)), limit=4)
    draw(run)
    assert names(run / "pictures") == files(*RUN)
    alone = tmp_path / "alone"
    evaluate("tiny", "tiny", alone, settings=[], limit=4)
    draw(alone)
    assert names(alone / "pictures") == files("accuracy")


def report(folder: Path, page: Path) -> dict[str, bytes]:
    """Make a page; return its pictures by the name in their alternative text."""
    args = argparse.Namespace(folder=folder, html=page, clips="none", data=None)
    assert report_command.run(args) == 0
    image = r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="Picture (\w+)\.'
    found = re.findall(image, page.read_text("utf-8"))
    return {name: base64.b64decode(content) for content, name in found}


def test_the_report_shows_what_pictures_draws(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(swept, tmp_path / "figures")
    shown = report(swept, tmp_path / "report.html")
    assert list(shown) == list(SWEEP)
    for name, content in shown.items():
        assert content == (tmp_path / "figures" / f"{name}.svg").read_bytes()
    assert "picture" not in capsys.readouterr().err


def test_the_report_shows_saved_pictures_too(tmp_path: Path) -> None:
    run = tmp_path / "run"
    evaluate("tiny", "tiny", run, settings=[], limit=4)
    (run / "pictures").mkdir()
    (run / "pictures" / "accuracy.svg").write_bytes(b"<svg>what the tables show</svg>")
    (run / "pictures" / "mine.svg").write_bytes(b"<svg>my own</svg>")
    shown = report(run, tmp_path / "report.html")
    assert shown == {"mine": b"<svg>my own</svg>"}


def test_the_report_without_matplotlib(
    swept: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    draw(swept, tmp_path / "figures")
    shutil.copy(swept / "results.json", tmp_path)
    request.getfixturevalue("without_matplotlib")
    capsys.readouterr()
    page = tmp_path / "report.html"
    assert report(tmp_path, page) == {}
    text = html.unescape(re.sub(r"<[^>]+>", "", page.read_text("utf-8")))
    text = re.sub(r"[ \n]+", " ", text)
    assert 'id="pictures"' not in page.read_text("utf-8")
    found = stored_sweep(swept)
    assert verdict(found).replace(" -", " \N{MINUS SIGN}") in text
    for name in found.ranking:
        shown = typeset(points(found.tuning.paired[name].difference))
        assert f"{name} 12 {shown} " in text
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 1
    assert "pip install 'mata-audio[pictures]'" in notes[0]

    (tmp_path / "figures").rename(tmp_path / "pictures")
    assert {*report(tmp_path, page)} == {*SWEEP}
    assert capsys.readouterr().err == ""


def test_a_picture_by_group_is_of_the_held_out_items(swept: Path, tmp_path: Path) -> None:
    draw(swept, tmp_path)
    drawn = (tmp_path / "accuracy.svg").read_text("utf-8")
    assert "Accuracy by group, held-out items" in drawn
    assert "n=12" in drawn
    assert "n=24" not in drawn


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="give the folder of a finished run"):
        draw(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_report_with_some_of_the_audio(
    mata: Mata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    evaluate("tiny", "tiny", run, settings=[], limit=6)
    monkeypatch.setattr("mata_audio.evaluation.report.clips.MOST_EMBEDDED", 100_000)
    outcome = mata("report", run, "--clips", "some")
    assert (outcome.code, outcome.out) == (0, f"{run / 'report.html'}\n")
    page = (run / "report.html").read_text("utf-8")
    here = page.count("data:audio/wav;base64,")
    assert 1 <= here < 6
    assert f"{here} of 6 clips are in this page" in page
