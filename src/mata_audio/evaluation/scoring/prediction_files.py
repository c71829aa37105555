"""Prediction files, read as each benchmark's official script reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mata_audio.errors import ScoringError, SettingsError
from mata_audio.evaluation.scoring import letters, string_match
from mata_audio.evaluation.scoring.record import kind


@dataclass(frozen=True)
class Predictions:
    """The records of a file, and what the official script prints while it reads them."""

    records: list[Any]
    printed: str = ""


@dataclass(frozen=True)
class _Benchmark:
    read: Callable[[str], Predictions]
    official_output: Callable[[list[Any]], str]


def read(benchmark: str, file: str | Path) -> Predictions:
    """Read a prediction file: ``mmau``, ``mmar``, ``mmsu`` or ``air-bench``.

    Raises:
        ScoringError: the file is missing, or not what the official script can read.
        SettingsError: a benchmark that has no official script here.
    """
    return _benchmark(benchmark).read(str(file))


def official_output(benchmark: str, file: str | Path) -> str:
    """Return what the official script of the benchmark prints for a prediction file.

    Raises:
        ScoringError: a file or a record that the official script would crash on.
        SettingsError: a benchmark that has no official script here.
    """
    rules = _benchmark(benchmark)
    predictions = rules.read(str(file))
    try:
        return predictions.printed + rules.official_output(predictions.records)
    except ScoringError as error:
        raise ScoringError(f"{file}: {error}") from None


def _benchmark(name: str) -> _Benchmark:
    if name not in _BENCHMARKS:
        raise SettingsError(f"benchmark must be one of {', '.join(_BENCHMARKS)}; got {name!r}")
    return _BENCHMARKS[name]


def _lines(file: str) -> list[str]:
    try:
        with open(file, encoding="utf-8") as lines:
            return list(lines)
    except OSError as error:
        raise ScoringError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ScoringError(f"{file} must be text in UTF-8: {error}") from error


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ScoringError(f"{place} is not JSON: {error}") from error
    except RecursionError as error:
        raise ScoringError(f"{place} is nested too deeply to be read as JSON") from error


def _json_list(file: str) -> Predictions:
    content = _parse("".join(_lines(file)), file)
    if not isinstance(content, list):
        raise ScoringError(f"{file} must hold a JSON list of records; got {kind(content)}")
    return Predictions(content)


def _json_lines(file: str, strip: bool) -> Predictions:
    return Predictions(
        [
            _parse(line.strip() if strip else line, f"{file}, line {number},")
            for number, line in enumerate(_lines(file), start=1)
        ]
    )


def _mmar(file: str) -> Predictions:
    if file.endswith("json"):
        return _json_list(file)
    if file.endswith("jsonl"):
        return _json_lines(file, strip=True)
    raise ScoringError(
        f'the name of a prediction file for MMAR must end in "json" or "jsonl": {file}'
    )


def _mmsu(file: str) -> Predictions:
    records, printed = [], []
    for number, line in enumerate(map(str.strip, _lines(file))):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:  # the official script goes on after these alone
            printed.append(f"Error decoding JSON on line {number}: {line}\n{error}\n")
        except (ValueError, RecursionError):
            _parse(line, f"{file}, line {number + 1},")
    return Predictions(records, "".join(printed))


def _air_bench(file: str) -> Predictions:
    return _json_lines(file, strip=False)


_BENCHMARKS = {
    "mmau": _Benchmark(_json_list, string_match.MMAU.official_output),
    "mmar": _Benchmark(_mmar, string_match.MMAR.official_output),
    "mmsu": _Benchmark(_mmsu, letters.MMSU.official_output),
    "air-bench": _Benchmark(_air_bench, letters.AIR_BENCH.official_output),
}

BENCHMARKS = tuple(_BENCHMARKS)
