"""The files written at the end of a run: its results, and predictions for official scorers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.results.results_file import NAME, save_results
from mata_audio.evaluation.results.tables import as_csv, as_latex, as_markdown
from mata_audio.evaluation.task import Task
from mata_audio.storage.atomic_file import write_atomically, writing
from mata_audio.storage.file_names import file_stems

Records = Sequence[Mapping[str, Any]]


def write_outputs(
    results: Results, folder: Path, predictions: Mapping[str, Records], task: Task
) -> None:
    """Write ``results.json``, ``.md``, ``.tex``, ``.csv`` and ``predictions/SETTING.json``."""
    save_results(results, folder / NAME)
    for suffix, table in (("md", as_markdown), ("tex", as_latex), ("csv", as_csv)):
        write_atomically(folder / f"results.{suffix}", table(results))
    with writing(folder / "predictions"):
        (folder / "predictions").mkdir(exist_ok=True)
    for setting, path in prediction_paths(folder, predictions, task).items():
        write_atomically(path, _records(predictions[setting], task))


def prediction_paths(folder: Path, settings: Iterable[str], task: Task) -> dict[str, Path]:
    """Return the path of each setting's predictions in the official scorer's format."""
    return {
        setting: folder / "predictions" / f"{stem}.{task.prediction_format}"
        for setting, stem in file_stems(settings).items()
    }


def _records(records: Records, task: Task) -> str:
    if task.prediction_format == "jsonl":
        return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"
