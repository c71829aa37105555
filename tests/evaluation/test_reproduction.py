"""The paper's tables: its figures, and runs with small models in the place of the large ones."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mata_audio.errors import SettingsError, TemplateError
from mata_audio.evaluation.data import known_versions
from mata_audio.evaluation.reproduction.file import as_data, write_reproduction
from mata_audio.evaluation.reproduction.paper import MODELS, TABLES
from mata_audio.evaluation.reproduction.reproduce import Reproduction, reproduce
from mata_audio.evaluation.reproduction.tables import as_text, compared
from mata_audio.evaluation.results.power import power_sentence
from mata_audio.evaluation.running.progress import Progress
from paper_data import write_mmar, write_mmau

SHORT: dict[str, Any] = {"max_new_tokens": 4, "batch_size": 8}
SAME = "layers 10-19 (10-20 read as half-open)"
"""On the embedded model's 12 layers these are the layers of MATA itself."""
OMNI, QWEN2 = "qwen2.5-omni-mmau-test-mini", "qwen2-audio-mmau-test-mini"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    return {"mmau": write_mmau(folder / "MMAU"), "mmar": write_mmar(folder / "MMAR")}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def reproduction(
    out: Path, data: dict[str, Path], qwen2_audio_folder: Path, tmp_path_factory: Any
) -> Reproduction:
    """The embedded model for Omni, a random one for Qwen2-Audio, a folder that is none for Ke."""
    models = {
        "qwen2.5-omni": "tiny",
        "qwen2-audio": qwen2_audio_folder,
        "ke-omni-r": tmp_path_factory.mktemp("empty"),
    }
    return reproduce(out, data, models, template="question", reader="whole", **SHORT)


@pytest.fixture
def small_qwen2(tmp_path: Path, qwen2_audio_folder: Path) -> Callable[..., Reproduction]:
    """Reproduce only Qwen2-Audio, with a random model, on the data given."""
    models = {"qwen2-audio": qwen2_audio_folder}
    return partial(reproduce, tmp_path / "out", models=models, only=["qwen2-audio"], **SHORT)


def test_what_there_is_is_measured(reproduction: Reproduction, out: Path) -> None:
    assert [each.table for each in reproduction.measured] == list(TABLES[:5])
    assert reproduction.failed == ()
    assert all((out / each.table.key / "results.json").exists() for each in reproduction.measured)
    omni = reproduction.measured[0].results
    ablations = [each.name for each in TABLES[0].ablations if each.name != SAME]
    assert [setting.name for setting in omni.settings] == ["baseline", "MATA", *ablations]
    assert omni.settings[2].description == "multiply, alpha 0.1, layers 0-4 of 0-11, all heads"
    qwen2 = reproduction.measured[1].results
    assert [setting.name for setting in qwen2.settings] == ["baseline", "MATA"]


def test_a_model_that_is_not_there_stops_no_other(reproduction: Reproduction) -> None:
    (missing,) = reproduction.missing
    assert missing.table.key == "ke-omni-r-mmar-test"
    assert (missing.what, missing.name) == ("model", "ke-omni-r")
    assert "config.json" in missing.reason
    assert "hf download KE-Team/Ke-Omni-R" in missing.advice


def test_a_model_without_weights_is_missing_and_can_come_later(
    tmp_path: Path, data: dict[str, Path], qwen2_audio_folder: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(qwen2_audio_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    arguments = (tmp_path / "out", {"mmau-test-mini": data["mmau"]}, {"qwen2-audio": folder})
    done = reproduce(*arguments, only=["qwen2-audio"], limit=1, **SHORT)
    lacking = {each.name: each for each in done.missing}
    assert set(lacking) == {"qwen2-audio", "mmau-test"}
    assert "no safetensors weights" in lacking["qwen2-audio"].reason
    shutil.copytree(qwen2_audio_folder, folder, dirs_exist_ok=True)
    done = reproduce(*arguments, only=["qwen2-audio"], limit=1, **SHORT)
    assert [each.table.key for each in done.measured] == [QWEN2]


def test_rows_pair_published_and_measured(reproduction: Reproduction) -> None:
    omni, mmar = (compared(reproduction.measured[i]) for i in (0, 4))
    assert [row.name for row in omni] == ["sound", "music", "speech", "average"]
    assert [row.paper_difference for row in omni] == [2.1, 3.6, 1.8, 2.5]
    assert omni[-1].measured.accuracy["baseline"].n == 6
    assert [len(row.measured.accuracy) for row in omni] == [6] * 4
    steered = [row.measured.accuracy["MATA"].correct for row in omni]
    assert sum(steered[:3]) == steered[-1]
    assert omni[-1].measured.accuracy["baseline"].correct > 0  # the embedded model can hear
    assert [(row.name, row.paper_baseline, row.paper_mata) for row in mmar] == [
        ("sound", None, None),
        ("average", 56.6, 61.2),
    ]


def test_answers_left_out_give_each_line_one_denominator(reproduction: Reproduction) -> None:
    """As if one answer under MATA did not count."""
    measured = reproduction.measured[0]
    row = measured.results.overall
    changed = replace(
        row,
        accuracy={**row.accuracy, "MATA": replace(row.accuracy["MATA"], n=5)},
        paired={**row.paired, "MATA": replace(row.paired["MATA"], n=5)},
        left_out={"MATA": 1},
    )
    results = replace(measured.results, overall=changed)
    text = as_text(replace(reproduction, measured=(replace(measured, results=results),)))
    average = next(line for line in text.splitlines() if line.startswith("average"))
    assert average.split()[1:4] == ["6", "and", "5"]
    assert average.split()[-5:] == ["-"] * 5
    assert ": over the items that count under both" in text
    assert "count under both" not in as_text(reproduction)


def test_hidden_answers_end_with_files_to_submit(reproduction: Reproduction) -> None:
    test = reproduction.measured[2]
    assert test.results.overall.accuracy == {}
    assert list(test.submissions) == ["baseline", "MATA"]
    for path in test.submissions.values():
        records = json.loads(path.read_text())
        assert [set(record) >= {"id", "model_output"} for record in records] == [True] * 2
    assert reproduction.measured[0].submissions == {}
    text = as_text(reproduction)
    assert "the answers of this split are hidden" in text
    assert str(test.submissions["MATA"]) in text


def test_markdown_and_json_hold_both_columns(reproduction: Reproduction, tmp_path: Path) -> None:
    as_json, markdown = write_reproduction(reproduction, tmp_path / "new")
    data = json.loads(as_json.read_text())
    assert data == json.loads(json.dumps(as_data(reproduction)))
    assert [table["key"] for table in data["tables"]] == [table.key for table in TABLES]
    first, last = data["tables"][0], data["tables"][-1]
    average = first["measured"]["rows"][-1]
    assert (average["paper_baseline"], average["paper_mata"]) == (71.1, 73.6)
    assert average["accuracy"]["baseline"]["n"] == 6
    assert average["paired"]["MATA"]["n"] == 6
    assert first["measured"]["ablations"][0]["paper_average"] == 0.9
    assert last["measured"] is None
    assert last["missing"][0]["name"] == "ke-omni-r"
    text = markdown.read_text()
    assert "| paper baseline | measured baseline |" in text
    assert "| layers 0-10 | 0.9 (collapse) |" in text
    assert "| average | 6 | 71.1 | " in text
    assert "Ke-Omni-R-7B on MMAR (paper: baseline 64.1, MATA 66.8)" in text


def test_text_says_prompt_reader_and_release(reproduction: Reproduction) -> None:
    text = as_text(reproduction)
    assert "prompt question, answers read by whole, greedy, at most 4 new tokens" in text
    assert "an unknown release (mmau-test-mini.json sha256 " in text
    assert "the paper's is MMAU v05.15.25" in text
    assert "model tiny (given for Qwen/Qwen2.5-Omni-7B), float32, sdpa" in text
    assert "layers 20-27: multiply, alpha 0.1, layers 9-11 of 0-11, all heads" in text
    assert power_sentence(reproduction.measured[0].results.overall.paired["MATA"]) in text
    assert "share of the audio scores below zero: " in text


def test_again_runs_nothing_anew(
    reproduction: Reproduction, out: Path, data: dict[str, Path]
) -> None:
    store = out / OMNI / "items.jsonl"
    before = store.read_bytes()
    seen: list[tuple[str, int, int]] = []

    def report(table: Any, progress: Progress) -> None:
        seen.append((table.key, progress.done, progress.total))

    given = {"mmau-test-mini": data["mmau"] / "mmau-test-mini.json"}
    options = {"only": ["qwen2.5-omni"], "template": "question", "reader": "whole", **SHORT}
    again = reproduce(out, given, {"qwen2.5-omni": "tiny"}, report=report, **options)
    assert seen == [(OMNI, 0, 6)]
    assert store.read_bytes() == before
    (measured,) = again.measured
    assert measured.results.items == reproduction.measured[0].results.items
    assert [each.name for each in again.missing] == ["mmau-test", "mmar-test"]
    assert {each.reason for each in again.missing} == {"no data given"}


def test_another_run_in_the_folder_fails_and_the_rest_goes_on(
    tmp_path: Path, data: dict[str, Path], small_qwen2: Callable[..., Reproduction]
) -> None:
    folder = tmp_path / "out" / QWEN2
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("mine")
    done = small_qwen2(data, limit=1)
    (failed,) = done.failed
    assert failed.table.key == QWEN2
    assert "neither a run nor empty" in failed.reason
    assert [each.table.split for each in done.measured] == ["test"]
    assert f"failed {failed.table.title}" in as_text(done)
    assert as_data(done)["tables"][0]["failed"] == failed.reason


def test_a_run_without_answers_has_failed(
    tmp_path: Path, small_qwen2: Callable[..., Reproduction]
) -> None:
    folder = write_mmau(tmp_path / "MMAU", n=1)
    for clip in folder.rglob("*.wav"):
        clip.write_bytes(b"RIFF")
    done = small_qwen2({"mmau-test-mini": folder})
    assert "no item has an answer; the first error: AudioError" in done.failed[0].reason
    assert done.measured == ()


def test_releases_of_the_data(
    data: dict[str, Path],
    small_qwen2: Callable[..., Reproduction],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digest = known_versions.sha256(data["mmau"] / "mmau-test-mini.json")
    given = {"mmau-test-mini": data["mmau"]}
    for version, said in (
        ("MMAU v05.15.25 (2025-08-09)", "data: MMAU v05.15.25 (2025-08-09)\n"),
        ("MMAU original", "data: MMAU original, NOT the paper's MMAU v05.15.25"),
    ):
        monkeypatch.setitem(known_versions.KNOWN_VERSIONS, digest, version)
        done = small_qwen2(given, limit=1)
        assert said in as_text(done)
        assert "prompt r1-aqa" in as_text(done)


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    nowhere = dict.fromkeys(MODELS, tmp_path / "nowhere")
    done = reproduce(tmp_path / "out", {"mmar": tmp_path / "none"}, nowhere)
    assert (done.measured, done.failed) == ((), ())
    assert {(each.what, each.name) for each in done.missing} == {
        *(("model", key) for key in MODELS),
        *(("data", name) for name in ("mmau-test-mini", "mmau-test", "mmar-test")),
    }
    text = as_text(done)
    assert "missing model qwen2-audio: no such model folder" in text
    assert "hf download gamma-lab-umd/MMAU-test-mini --repo-type dataset" in text
    assert "(paper: baseline 59.4, MATA 64.8)" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"flac": "x"}}, "no such data: 'flac'; allowed are mmau, mmar, mmau-test-mini"),
        ({"models": {"gpt": "x"}}, "no such model: 'gpt'; allowed are qwen2-audio"),
        ({"only": ["gpt"]}, "no such model: 'gpt'"),
        ({"data": {"mmau": __file__}}, "or name the file's split (mmau-test-mini or mmau-test)"),
        ({"split": "test"}, "split cannot be chosen here"),
        ({"limit": 0}, "limit must be a whole number of at least 1"),
    ],
)
def test_wrong_use_is_said_before_anything_is_run(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        reproduce(tmp_path, **{"data": {}, **changes})
    assert list(tmp_path.iterdir()) == []


def test_unknown_template_is_said_even_without_models(tmp_path: Path) -> None:
    with pytest.raises(TemplateError):
        reproduce(tmp_path, {}, template="nonsense")
