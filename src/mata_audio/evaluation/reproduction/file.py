"""A reproduction of the paper as JSON, and its files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mata_audio.evaluation.reproduction.paper import ARXIV
from mata_audio.evaluation.reproduction.reproduce import Measured, Reproduction
from mata_audio.evaluation.reproduction.tables import as_markdown, compared, notes
from mata_audio.storage.atomic_file import write_atomically

FORMAT = 1


def as_data(reproduction: Reproduction) -> dict[str, Any]:
    """Return everything as JSON data; the paper's figures in percent, measured ones fractions."""
    measured = {each.table.key: _measured_data(each) for each in reproduction.measured}
    failures = {failed.table.key: failed.reason for failed in reproduction.failed}
    tables = [
        {
            "key": table.key,
            "model": table.model.title,
            "hub": table.model.hub,
            "task": table.task,
            "split": table.split,
            "paper": {
                "baseline": asdict(table.baseline),
                "mata": asdict(table.mata),
                "release": table.release,
                "reference": table.reference,
            },
            "missing": [
                {key: getattr(own, key) for key in ("what", "name", "reason", "advice")}
                for own in reproduction.missing
                if own.table.key == table.key
            ],
            "failed": failures.get(table.key),
            "measured": measured.get(table.key),
        }
        for table in reproduction.tables
    ]
    return {"format": FORMAT, "paper": f"arXiv {ARXIV}", "tables": tables}


def write_reproduction(reproduction: Reproduction, out: Path) -> tuple[Path, Path]:
    """Write ``reproduction.json`` and ``reproduction.md`` to ``out``; return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_data(reproduction), indent=1, ensure_ascii=False)
    write_atomically(out / "reproduction.json", text + "\n")
    write_atomically(out / "reproduction.md", as_markdown(reproduction))
    return out / "reproduction.json", out / "reproduction.md"


def _measured_data(measured: Measured) -> dict[str, Any]:
    results = measured.results
    return {
        "folder": str(measured.folder),
        "run": dict(results.run),
        "settings": [asdict(setting) for setting in results.settings],
        "rows": [
            {
                "name": row.name,
                "paper_baseline": row.paper_baseline,
                "paper_mata": row.paper_mata,
                "paper_difference": row.paper_difference,
                "accuracy": {n: asdict(own) for n, own in row.measured.accuracy.items()},
                "paired": {n: asdict(own) for n, own in row.measured.paired.items()},
            }
            for row in compared(measured)
        ],
        "ablations": [
            {
                "setting": measured.equal.get(each.name, each.name),
                "name": each.name,
                "paper_average": each.average,
                "paper_finding": each.finding,
            }
            for each in measured.table.ablations
            if each.name in measured.equal or any(s.name == each.name for s in results.settings)
        ],
        "submissions": {name: str(path) for name, path in measured.submissions.items()},
        "notes": notes(measured),
    }
