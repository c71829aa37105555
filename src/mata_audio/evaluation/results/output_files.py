"""The files written at the end of a run: its results, and predictions for official scorers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.results.results_file import NAME, save_results
from mata_audio.evaluation.results.tables import as_csv, as_latex, as_markdown
from mata_audio.evaluation.task import Task
from mata_audio.storage.atomic_file import write_atomically

Records = Sequence[Mapping[str, Any]]


def write_outputs(
    results: Results, folder: Path, predictions: Mapping[str, Records], task: Task
) -> None:
    """Write ``results.json``, ``.md``, ``.tex``, ``.csv`` and ``predictions/SETTING.json``."""
    save_results(results, folder / NAME)
    for suffix, table in (("md", as_markdown), ("tex", as_latex), ("csv", as_csv)):
        write_atomically(folder / f"results.{suffix}", table(results))
    (folder / "predictions").mkdir(exist_ok=True)
    for setting, records in predictions.items():
        write_atomically(prediction_path(folder, setting, task), _records(records, task))


def prediction_path(folder: Path, setting: str, task: Task) -> Path:
    """Return the path of a setting's predictions in the official scorer's format."""
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", setting).strip("-.") or "setting"
    return folder / "predictions" / f"{slug}.{task.prediction_format}"


def _records(records: Records, task: Task) -> str:
    if task.prediction_format == "jsonl":
        return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"
