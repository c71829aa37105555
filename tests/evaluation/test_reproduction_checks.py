"""Before a reproduction: what is missing is said at once, and equal settings are one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mata_audio.evaluation.reproduction import checks
from mata_audio.evaluation.reproduction.checks import Missing, check_tables, missing_lines, notes
from mata_audio.evaluation.reproduction.file import as_data
from mata_audio.evaluation.reproduction.paper import ABLATIONS, MATA_NAME, TABLES
from mata_audio.evaluation.reproduction.reproduce import reproduce
from mata_audio.evaluation.reproduction.tables import as_text
from mata_audio.evaluation.results.significance import holm
from mata_audio.tiny import TINY
from paper_data import write_mmar, write_mmau

HALF_OPEN = "layers 10-19 (10-20 read as half-open)"
ONLY_TINY: dict[str, Any] = {"only": ["qwen2.5-omni"], "models": {"qwen2.5-omni": TINY}}


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str | Path]:
    return {"mmau": write_mmau(tmp_path / "MMAU", n=6), "mmar": write_mmar(tmp_path / "MMAR")}


def lacking(found: tuple[checks.TableCheck, ...]) -> set[tuple[str, str]]:
    return {(each.what, each.name) for check in found for each in check.missing}


def test_all_that_is_missing_is_known_before_torch_is_imported(tmp_path: Path) -> None:
    """In a process that may not import it."""
    code = f"""
import sys
sys.modules["torch"] = sys.modules["transformers"] = None
from mata_audio.evaluation.reproduction.checks import check_tables, missing_lines
found = check_tables({str(tmp_path)!r}, {{"mmar": {str(tmp_path)!r}}}, {{"qwen2-audio": "./no"}})
print("\\n".join(missing_lines([each for check in found for each in check.missing])))
"""
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub"), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=offline, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for said in (
        "missing model qwen2-audio: no such model folder: ./no. To get it: ",
        "missing model ke-omni-r: cannot read the configuration of KE-Team/Ke-Omni-R: ",
        "missing data mmau-test: no data given. To get it: ",
        f"missing data mmar-test: no question file in {tmp_path}",
        "(paper: baseline 59.4, MATA 64.8)",
    ):
        assert said in done.stdout


def test_everything_there(tmp_path: Path, data: dict[str, str | Path]) -> None:
    told: list[str] = []
    found = check_tables(tmp_path / "out", data, **ONLY_TINY, limit=4, tell=told.append)
    assert [check.table for check in found] == [
        table for table in TABLES if table.model.key == "qwen2.5-omni"
    ]
    assert lacking(found) == set()
    assert notes(found) == []
    assert [check.items for check in found] == [4, 2, 3]
    assert told[0] == "looking for the models qwen2.5-omni"
    assert told[1] == f"reading the questions of mmau-test-mini in {data['mmau']}"
    assert not (tmp_path / "out").exists()


def test_missing_clips(tmp_path: Path, data: dict[str, str | Path]) -> None:
    clips = sorted(Path(data["mmau"]).glob("test-mini/*.wav"))
    clips[0].unlink()
    found = check_tables(tmp_path / "out", data, **ONLY_TINY)
    assert lacking(found) == set()
    (said,) = notes(found)
    assert said.startswith("1 of 6 clips are missing; the first: clip ./test-mini/")
    shutil.rmtree(clips[0].parent)
    found = check_tables(tmp_path / "out", data, **ONLY_TINY)
    assert lacking(found) == {("data", "mmau-test-mini")}
    assert notes(found) == []
    line = missing_lines(found[0].missing)[0]
    assert line.startswith("missing data mmau-test-mini: 6 of 6 clips are missing; the first: clip")
    # A finished run needs no audio: its answers are read from its folder.
    run = tmp_path / "out" / found[0].table.key
    run.mkdir(parents=True)
    (run / "items.jsonl").touch()
    assert lacking(check_tables(tmp_path / "out", data, **ONLY_TINY)) == set()


def test_packages_disk_and_data_sets(
    tmp_path: Path, data: dict[str, str | Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    monkeypatch.setattr(checks, "free_bytes", lambda path: 5_000_000)
    monkeypatch.setattr(checks, "check_data_set", lambda hub: "" if "BoJack" in hub else "gone")
    found = check_tables(
        tmp_path, {"mmau": "no/where", "mmar": "BoJack/MMAR"}, {"qwen2.5-omni": TINY}
    )
    assert lacking(found) == {
        *(("model", key) for key in ("qwen2-audio", "ke-omni-r")),
        *(("data", f"mmau-{split}") for split in ("test", "test-mini")),
        ("package", "torchvision"),
        ("disk", str(tmp_path)),
    }
    needing = [each.table.model.key for c in found for each in c.missing if each.what == "package"]
    assert needing == ["ke-omni-r"]  # the embedded model, in the place of Omni, needs none
    assert "only 5 MB are free there, and 100 MB are needed" in "\n".join(
        missing_lines([each for check in found for each in check.missing])
    )
    assert notes(found) == ["BoJack/MMAR is on the hub, and unread so far"]


def test_one_thing_is_one_line() -> None:
    first, second = TABLES[:2]
    wanted = [Missing(table, "model", "m", "why", "how") for table in (first, second)]
    (line,) = missing_lines(wanted)
    assert line.startswith("missing model m: why. To get it: how. Needed for ")
    assert first.title in line
    assert second.title in line


def test_settings_that_are_one_on_a_small_model_count_once(
    tmp_path: Path, data: dict[str, str | Path]
) -> None:
    done = reproduce(
        tmp_path / "out",
        {"mmau-test-mini": data["mmau"]},
        **ONLY_TINY,
        template="question",
        reader="whole",
        max_new_tokens=4,
        batch_size=8,
    )
    (measured,) = done.measured
    ran = [setting.name for setting in measured.results.settings]
    assert HALF_OPEN not in ran
    assert len(ran) == 1 + 1 + len(ABLATIONS) - 1
    assert measured.equal == {HALF_OPEN: MATA_NAME}
    paired = measured.results.overall.paired
    assert [each.p_holm for each in paired.values()] == holm([each.p for each in paired.values()])
    text = as_text(done)
    assert f"{HALF_OPEN}: on this model the same setting as {MATA_NAME}, so it was run" in text
    rows = {
        name: line.removeprefix(name).split()
        for line in text.splitlines()
        for name in (MATA_NAME, HALF_OPEN)
        if line.startswith(f"{name}  ")
    }
    assert rows[MATA_NAME][1:] == rows[HALF_OPEN][1:]  # all but the paper's figure
    ablations = as_data(done)["tables"][0]["measured"]["ablations"]
    assert [each["name"] for each in ablations] == [each.name for each in ABLATIONS]
    assert [each["setting"] for each in ablations].count(MATA_NAME) == 1
