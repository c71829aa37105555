"""Writing results as JSON, and reading them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError
from mata_audio.evaluation.results.results import (
    Accuracy,
    Answer,
    ClipHeard,
    Guessing,
    ItemResult,
    Paired,
    Results,
    Row,
    SettingResult,
    Unheard,
)
from mata_audio.storage.atomic_file import write_atomically
from mata_audio.storage.items_file import ItemStore
from mata_audio.storage.run_folder import ITEMS

FORMAT = 3
"""Format 1 had bootstrap intervals and an approximate power."""
NAME = "results.json"

_GIVE = "give the folder of a finished run, which --out named"


def save_results(results: Results, path: Path) -> None:
    """Write results to ``path``, whole or not at all."""
    write_atomically(path, json.dumps({"format": FORMAT, **asdict(results)}, indent=1) + "\n")


def load_results(run: str | Path) -> Results:
    """Read the results of a run folder, or a ``results.json``.

    Raises:
        RunError: there are none, they are not in this version's format, or they are not those of
            the answers in ``items.jsonl``, if it is there.
    """
    path = Path(run)
    path = path / NAME if path.is_dir() else path
    if not path.exists():
        unfinished = (path.parent / "run.json").exists()
        hint = "run its command again, as it has not finished" if unfinished else _GIVE
        raise RunError(f"{path} does not exist: {hint}")
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            raise ValueError(
                f"not format {FORMAT}; read it with the version that wrote it, or run it again"
            )
        results = Results(
            run=data["run"],
            settings=tuple(SettingResult(**setting) for setting in data["settings"]),
            overall=_row(**data["overall"]),
            groups=tuple(_row(**row) for row in data["groups"]),
            items=tuple(_item(**item) for item in data["items"]),
            notes=tuple(data["notes"]),
            tuning_ids=_ids(**data),
            unheard=_unheard(data.get("unheard")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"field {error} is missing" if isinstance(error, KeyError) else error
        raise RunError(f"{path} does not hold results of this version ({why}): {_GIVE}") from error
    _check_answers(results, path)
    return results


def _check_answers(results: Results, path: Path) -> None:
    """Check results against the answers next to them, if those are there.

    Raises:
        RunError: a line of ``items.jsonl`` was edited, or an answer is not in it.
    """
    if not (path.parent / ITEMS).exists():
        return
    lines = ItemStore(path.parent / ITEMS).lines
    for item in results.items:
        stored = lines.get(item.id, {}).get("answers", {})
        for setting, answer in item.answers.items():
            if stored.get(setting) != answer.raw:
                raise RunError(
                    f"{path} does not fit {ITEMS}: the answer to item {item.id!r} under {setting} "
                    "is another there. Make it from the answers: mata rescore RUN --reader NAME"
                )


def _ids(
    tuning_ids: Sequence[str], items: Sequence[Mapping[str, Any]], **_: Any
) -> tuple[str, ...]:
    """Return the tuning items' ids, which must be items of the run."""
    if not {item["id"] for item in items}.issuperset(tuning_ids):
        raise ValueError("its tuning items are not the run's")
    return tuple(tuning_ids)


def _row(accuracy: Mapping[str, Any], paired: Mapping[str, Any], **rest: Any) -> Row:
    return Row(
        accuracy={name: Accuracy(**values) for name, values in accuracy.items()},
        paired={name: Paired(**values) for name, values in paired.items()},
        **rest,
    )


def _unheard(data: Mapping[str, Any] | None) -> Unheard | None:
    """Return the no-audio arm; results of a run without it have none."""
    if data is None:
        return None
    accuracy, guessing = data["accuracy"], data["guessing"]
    return Unheard(
        setting=SettingResult(**data["setting"]),
        accuracy=None if accuracy is None else Accuracy(**accuracy),
        left_out=data["left_out"],
        guessing=None if guessing is None else Guessing(**guessing),
        parts=tuple(_row(**row) for row in data["parts"]),
    )


def _item(choices: Any, clips: Any, answers: Mapping[str, Any], **rest: Any) -> ItemResult:
    return ItemResult(
        choices=tuple(choices),
        clips=tuple(ClipHeard(**clip) for clip in clips),
        answers={name: Answer(**values) for name, values in answers.items()},
        **rest,
    )
