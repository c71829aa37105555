"""What every benchmark in ``TASKS`` must fulfil; a new one is tested as soon as it is listed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mata_audio.cli.main import main
from mata_audio.errors import DataError, SettingsError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.results.output_files import prediction_paths
from mata_audio.evaluation.scoring.readers import check_reader
from mata_audio.evaluation.task import OfficialScript, Task
from mata_audio.evaluation.tasks import TASKS, WITH_OFFICIAL_SCRIPT, task_named
from mata_audio.evaluation.templates.template import TEMPLATES

EVERY_TASK = pytest.mark.parametrize("name", TASKS)


@EVERY_TASK
def test_declarations(name: str) -> None:
    task = TASKS[name]
    assert isinstance(task, Task)
    assert task_named(name) is task
    assert task.name == name
    assert task.name == task.name.lower().replace(" ", "-")  # a word of the command line
    assert task.title
    assert task.splits
    assert len(set(task.splits)) == len(task.splits)
    keys = [grouping.key for grouping in task.groupings]
    assert keys  # the first one divides the items of a sweep evenly
    assert len(set(keys)) == len(keys)
    assert all(grouping.heading for grouping in task.groupings)
    assert task.template is None or task.template in TEMPLATES
    check_reader(task.reader)
    assert task.max_new_tokens > 0
    assert task.prediction_key
    assert task.prediction_format in ("json", "jsonl")


@EVERY_TASK
def test_wrong_splits_and_missing_data_are_refused(name: str) -> None:
    task = TASKS[name]
    with pytest.raises(SettingsError, match=f"no such split: 'no'.*{', '.join(task.splits)}"):
        task.load(None, "no")
    if task.needs_data:
        with pytest.raises(DataError, match="no data given"):
            task.load(None, task.splits[0])
    else:
        assert task.load(None, task.splits[-1]).items


@EVERY_TASK
def test_records_hold_the_prediction(name: str) -> None:
    task = TASKS[name]
    item = Item("1", (), "Which?", ("dog", "cat"), "dog", record={"id": "1"})
    record = task.record(item, "a bird")
    assert record == {"id": "1", task.prediction_key: "a bird"}
    assert task.outcomes([]) == []


@EVERY_TASK
def test_official_scripts_read_what_runs_write(name: str, tmp_path: Path) -> None:
    task = TASKS[name]
    assert (name in WITH_OFFICIAL_SCRIPT) == isinstance(task.official_script, OfficialScript)
    if task.official_script is not None:
        path = prediction_paths(tmp_path, ["baseline"], task)["baseline"]
        path.parent.mkdir(parents=True)
        path.write_text("[]" if task.prediction_format == "json" else "{}\n")
        records = task.official_script.read(str(path)).records
        assert records == ([] if task.prediction_format == "json" else [{}])


@EVERY_TASK
def test_the_help_names_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--help"]) == 0
    about_task = capsys.readouterr().out.split("--task NAME")[-1].split("--data")[0]
    assert name in re.findall(r"[\w-]+", about_task)
    assert main(["score", "--help"]) == 0
    about_benchmark = capsys.readouterr().out.split("BENCHMARK")[-1].split("FILE")[0]
    assert (name in re.findall(r"[\w-]+", about_benchmark)) == (name in WITH_OFFICIAL_SCRIPT)


def test_benchmarks_that_prescribe_their_prompt() -> None:
    prescribed = {name: task.template for name, task in TASKS.items() if task.template}
    assert prescribed == {"mmsu": "mmsu", "air-bench": "air-bench", "tiny": "question"}


def test_the_table_needs_no_pytorch() -> None:
    """The command line lists the tasks in its help."""
    code = (
        "import sys, mata_audio.evaluation.tasks; "
        "sys.exit(not {'torch', 'transformers', 'numpy'}.isdisjoint(sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
