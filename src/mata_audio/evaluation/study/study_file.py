"""``study.json``: a study in one small file that can be sent, and checking such a file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError
from mata_audio.evaluation.results.results import Paired
from mata_audio.evaluation.study.outcome import (
    Correct,
    Entry,
    Figures,
    LeftOut,
    Part,
    Study,
)

FORMAT = 1
NAME = "study.json"
MOST = 4 * 2**20
"""Bytes; fitted gains of a 7B model take about a tenth of this."""


def study_json(study: Study) -> str:
    """Return a study as JSON."""
    return json.dumps({"format": FORMAT, **asdict(study)}, indent=1) + "\n"


def load_study(path: str | Path) -> Study:
    """Read a study from its file or its folder.

    Raises:
        RunError: there is none, or it is not in this version's form.
    """
    file = Path(path)
    file = file / NAME if file.is_dir() else file
    try:
        if file.stat().st_size > MOST:
            raise ValueError(f"it has more than {MOST // 2**20} MB")
        return study_from(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise RunError(
            f"{file} does not exist: give a study's folder or file; mata study writes it at its end"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"field {error} is missing" if isinstance(error, KeyError) else error
        raise RunError(
            f"{file} is not the file of a study ({why}): give the study.json that mata study wrote"
        ) from error


def study_from(data: Any) -> Study:
    """Return a study from its JSON data.

    Raises:
        ValueError: it has another form; or a KeyError, TypeError or AttributeError.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"not format {FORMAT}")
    given = {name: own for name, own in data.items() if name != "format"}
    arm = given["unheard"]
    made: dict[str, Any] = {
        **given,
        "machines": tuple(given["machines"]),
        "choosing": _made(Part, given["choosing"]),
        "reporting": _made(Part, given["reporting"]),
        "baseline": tuple(_made(Correct, own) for own in given["baseline"]),
        "unheard": None if arm is None else _made(Correct, arm),
        "entries": tuple(_entry(own) for own in given["entries"]),
    }
    return _made(Study, made)


def _entry(data: Mapping[str, Any]) -> Entry:
    chosen_on = data["chosen_on"]
    return _made(
        Entry,
        {
            **data,
            "chosen_on": None if chosen_on is None else _paired(chosen_on),
            "figures": tuple(map(_figures, data["figures"])),
            "left_out": tuple(
                _made(LeftOut, {**own, "figures": tuple(map(_figures, own["figures"]))})
                for own in data["left_out"]
            ),
        },
    )


def _figures(data: Mapping[str, Any]) -> Figures:
    return _made(Figures, {**data, "paired": _paired(data["paired"])})


def _paired(data: Mapping[str, Any]) -> Paired:
    found: Paired = _made(Paired, data)
    for name in ("n", "gained", "lost"):
        if type(getattr(found, name)) is not int:
            raise ValueError(f"{name} must be a whole number; got {getattr(found, name)!r}")
    for own in fields(Paired):
        value = getattr(found, own.name)
        optional = own.name == "smallest_difference" and value is None
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not optional and not (number and math.isfinite(value)):
            raise ValueError(f"{own.name} must be a finite number; got {value!r}")
    return found


def _made(cls: Any, data: Mapping[str, Any]) -> Any:
    """Return a dataclass from all of its fields, with values of their annotated types."""
    known = {own.name: str(own.type) for own in fields(cls)}
    missing, unknown = known.keys() - data.keys(), data.keys() - known.keys()
    if missing or unknown:
        name = min(missing or unknown)
        raise ValueError(f"field {name!r} is {'missing' if missing else 'unknown'}")
    for name, kinds in known.items():
        allowed = [_KINDS.get(kind.partition("[")[0]) for kind in kinds.split(" | ")]
        value = data[name]
        if None not in allowed and not any(_is(value, kind) for kind in allowed if kind):
            raise ValueError(f"field {name!r} must be {kinds}; got {value!r:.80}")
    return cls(**data)


_KINDS: dict[str, type] = {
    "str": str,
    "int": int,
    "float": float,
    "None": type(None),
    "Mapping": dict,
    "tuple": tuple,
}


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is kind
