"""Names that are not valid Unicode, of folders and settings, end no run without its tables."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mata_audio import MATA
from mata_audio.evaluation import NamedSetting, evaluate, load_results
from mata_audio.evaluation.report import render_report, report_clips
from mata_audio.evaluation.results.stored_run import open_run, rescore
from mata_audio.storage.atomic_file import write_atomically
from mata_audio.tiny import TINY
from paper_data import write_mmau

ODD = os.fsdecode(b"odd \xff name")


def test_a_run_in_such_a_folder(tmp_path: Path) -> None:
    try:
        (tmp_path / ODD).mkdir()
    except OSError:
        pytest.skip("this file system takes only valid names")
    data = write_mmau(tmp_path / "MMAU", n=1).rename(tmp_path / ODD / "MMAU")
    run = tmp_path / ODD / "run"
    setting = NamedSetting(ODD, MATA(alpha=2))
    for _ in range(2):  # the second time it is resumed
        results = evaluate(TINY, "mmau", run, data=data, settings=setting, max_new_tokens=2)
    assert list(results.items[0].answers) == ["baseline", ODD]
    assert load_results(run) == results
    assert ascii(ODD)[1:-1] in (run / "results.md").read_text(encoding="utf-8")
    assert rescore(run, "whole").run["facts"]["data"] == str(data)
    clips = report_clips(results, open_run(run).dataset, run / "report.html", "embed")
    write_atomically(run / "report.html", render_report(results, clips))
    assert all(path.read_text(encoding="utf-8") for path in run.rglob("*") if path.suffix)


def test_json_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, json.dumps([ODD, "\ud83d", "\U0001f600"], ensure_ascii=False))
    assert json.loads(path.read_text(encoding="utf-8")) == [ODD, "\ud83d", "\U0001f600"]
