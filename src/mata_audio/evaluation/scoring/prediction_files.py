"""Prediction files, read as each benchmark's official script reads them.

All functions raise ScoringError for a file that is missing or that the script cannot read.
"""

from __future__ import annotations

import json
from typing import Any

from mata_audio.errors import ScoringError
from mata_audio.evaluation.scoring.record import kind
from mata_audio.evaluation.task import Predictions


def json_list(file: str) -> Predictions:
    """Read one JSON list of records (MMAU)."""
    content = _parse("".join(_lines(file)), file)
    if not isinstance(content, list):
        raise ScoringError(f"{file} must hold a JSON list of records; got {kind(content)}")
    return Predictions(content)


def json_lines(file: str) -> Predictions:
    """Read one record a line; blank lines are errors (AIR-Bench)."""
    return _records(file, _lines(file))


def mmar_file(file: str) -> Predictions:
    """Read a JSON list or JSON lines, by the file's name (MMAR)."""
    if file.endswith("json"):
        return json_list(file)
    if file.endswith("jsonl"):
        return _records(file, [line.strip() for line in _lines(file)])
    raise ScoringError(
        f'the name of a prediction file for MMAR must end in "json" or "jsonl": {file}'
    )


def mmsu_lines(file: str) -> Predictions:
    """Read one record a line; lines that are not JSON are printed and skipped (MMSU)."""
    records, printed = [], []
    for number, line in enumerate(map(str.strip, _lines(file))):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:  # the only error that the official script survives
            printed.append(f"Error decoding JSON on line {number}: {line}\n{error}\n")
        except (ValueError, RecursionError):
            _parse(line, f"{file}, line {number + 1},")
    return Predictions(records, "".join(printed))


def _records(file: str, lines: list[str]) -> Predictions:
    return Predictions(
        [_parse(line, f"{file}, line {number},") for number, line in enumerate(lines, start=1)]
    )


def _lines(file: str) -> list[str]:
    try:
        with open(file, encoding="utf-8") as lines:
            return list(lines)
    except OSError as error:
        why = error.strerror or error
        raise ScoringError(f"{file} cannot be read ({why}): give a file of predictions") from error
    except UnicodeDecodeError as error:
        raise ScoringError(f"{file} must be text in UTF-8: {error}") from error


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ScoringError(f"{place} is not JSON: {error}") from error
    except RecursionError as error:
        raise ScoringError(f"{place} is nested too deeply to be read as JSON") from error
