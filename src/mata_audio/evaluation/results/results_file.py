"""Writing results as JSON, and reading them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError
from mata_audio.evaluation.results.results import (
    Accuracy,
    Answer,
    ClipHeard,
    ItemResult,
    Paired,
    Results,
    Row,
    SettingResult,
)
from mata_audio.storage.atomic_file import write_atomically

FORMAT = 2
"""Format 1 had bootstrap intervals and an approximate power; ``mata rescore`` makes it anew."""
NAME = "results.json"


def save_results(results: Results, path: Path) -> None:
    """Write results to ``path``, whole or not at all."""
    write_atomically(path, json.dumps({"format": FORMAT, **asdict(results)}, indent=1) + "\n")


def load_results(run: str | Path) -> Results:
    """Read the results of a run folder, or a ``results.json``.

    Raises:
        RunError: there are none, or they are not in this version's format.
    """
    path = Path(run)
    path = path / NAME if path.is_dir() else path
    if not path.exists():
        hint = "its run has not finished" if (path.parent / "run.json").exists() else "no run"
        raise RunError(f"{path} does not exist: {hint}")
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            raise ValueError(
                f"not format {FORMAT}; make it again from the run's answers with "
                "mata rescore RUN --reader NAME"
            )
        return Results(
            run=data["run"],
            settings=tuple(SettingResult(**setting) for setting in data["settings"]),
            overall=_row(**data["overall"]),
            groups=tuple(_row(**row) for row in data["groups"]),
            items=tuple(_item(**item) for item in data["items"]),
            notes=tuple(data["notes"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path} does not hold results of this version: {error}") from error


def _row(accuracy: Mapping[str, Any], paired: Mapping[str, Any], **rest: Any) -> Row:
    return Row(
        accuracy={name: Accuracy(**values) for name, values in accuracy.items()},
        paired={name: Paired(**values) for name, values in paired.items()},
        **rest,
    )


def _item(choices: Any, clips: Any, answers: Mapping[str, Any], **rest: Any) -> ItemResult:
    return ItemResult(
        choices=tuple(choices),
        clips=tuple(ClipHeard(**clip) for clip in clips),
        answers={name: Answer(**values) for name, values in answers.items()},
        **rest,
    )
