"""A run on disk, scored without its model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError
from mata_audio.evaluation.item import Dataset
from mata_audio.evaluation.results.outcome import Lines, make_results
from mata_audio.evaluation.results.output_files import write_outputs
from mata_audio.evaluation.results.ranking import Sweep, sweep_of
from mata_audio.evaluation.results.results import Results, SettingResult
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.scoring.readers import check_reader
from mata_audio.evaluation.task import Task
from mata_audio.evaluation.tasks import task_named
from mata_audio.methods.method import method_from
from mata_audio.settings.named import NamedSetting, save_setting
from mata_audio.storage.atomic_file import write_atomically
from mata_audio.storage.run_folder import RunFolder

SWEEP = "sweep"
"""Fact of a run whose settings are chosen on some of its items: their ids, ``tuning_ids``, and
``how`` the settings were found."""

WINNER = "winner.json"
"""The setting that a sweep recommends, for ``--settings``."""


@dataclass(frozen=True)
class StoredRun:
    """A run's folder, with everything needed to score it.

    Args:
        folder: the run's folder.
        manifest: the content of ``run.json``.
        task: its benchmark.
        dataset: all items of its split.
        settings: the baseline first.
    """

    folder: RunFolder
    manifest: Mapping[str, Any]
    task: Task
    dataset: Dataset
    settings: tuple[NamedSetting, ...]

    def results(self, lines: Lines, scores: AnswerScores) -> Results:
        """Return the figures of stored answers, of all items or of some."""
        descriptions = self.manifest["facts"]["settings"]
        settings = [
            SettingResult(
                name=setting.name,
                description=descriptions[setting.name],
                method=setting.fields,
                tuned_on_these_items=tuned_on_these_items(setting, self.dataset),
            )
            for setting in self.settings
        ]
        run = {
            "identity": self.manifest["identity"],
            "facts": self.manifest["facts"],
            "machines": _machines(self.manifest["sittings"]),
        }
        chosen_by = {key: value for key, value in self._sweep.items() if key != "tuning_ids"}
        facts = {name: value for name, value in run["facts"].items() if name != SWEEP}
        run["facts"] = {**facts, "reader": scores.reader, **chosen_by}
        ids = self._sweep.get("tuning_ids", ())
        return make_results(self.dataset, lines, settings, scores, run, ids)

    @property
    def _sweep(self) -> Mapping[str, Any]:
        """How the settings are chosen, if the run is a sweep; see :class:`Plan`."""
        return self.manifest["facts"].get(SWEEP, {})

    def write(self, results: Results) -> None:
        """Write ``results`` in every form, and the predictions as the official scorer takes them.

        Items that ended in an error have no prediction. Of a sweep, also write how its items were
        divided, and the setting that it recommends.
        """
        items = {item.id: item for item in self.dataset.items}
        records = {
            setting.name: [
                self.task.record(items[result.id], result.answers[setting.name].read)
                for result in results.items
                if setting.name in result.answers
            ]
            for setting in self.settings
        }
        write_outputs(results, self.folder.path, records, self.task)
        sweep = sweep_of(results)
        if sweep is not None:
            self._write_sweep(sweep)

    def _write_sweep(self, found: Sweep) -> None:
        account = {
            "tuning_ids": found.tuning_ids,
            "ranking": found.ranking,
            "winner": found.winner,
            "recommended": found.recommended,
        }
        write_atomically(self.folder.path / "sweep.json", json.dumps(account, indent=1) + "\n")
        path = self.folder.path / WINNER
        if found.recommended is None:
            path.unlink(missing_ok=True)  # an earlier one
            return
        tuned_on = {
            "task": self.task.name,
            "split": self.dataset.split,
            "files": dict(self.dataset.files),
            "ids": list(found.tuning_ids),
            **{key: value for key, value in self._sweep.items() if key == "how"},
        }
        chosen = next(own for own in self.settings if own.name == found.recommended)
        save_setting(replace(chosen, tuned_on=tuned_on), path)


def open_run(path: str | Path, data: str | Path | None = None) -> StoredRun:
    """Open a run and its benchmark's questions.

    Args:
        path: folder of the run.
        data: where the benchmark is now; None if it did not move.

    Raises:
        RunError: there is no run, its task is unknown, or the questions have changed.
        DataError: the benchmark is not there.
    """
    folder = RunFolder(path)
    manifest = folder.manifest()
    identity, facts = manifest["identity"], manifest["facts"]
    task = task_named(identity["task"])
    dataset = task.load(facts["data"] if data is None else data, identity["split"])
    if dict(dataset.files) != identity["data"]:
        raise RunError(
            f"the run in {path} used other questions than {data or facts['data']} holds now: "
            f"{dict(dataset.files)} instead of {identity['data']}"
        )
    settings = tuple(
        _setting(name, entry, folder.manifest_path) for name, entry in identity["settings"].items()
    )
    return StoredRun(folder, manifest, task, dataset, settings)


def rescore(path: str | Path, reader: str, data: str | Path | None = None) -> Results:
    """Read and score a run's raw answers again, without its model, and write the results.

    Args:
        path: folder of the run.
        reader: name of the answer reader.
        data: where the benchmark is now; None if it did not move.

    Raises:
        TemplateError: there is no such reader.
        RunError: as for :func:`open_run`.
    """
    check_reader(reader)
    stored = open_run(path, data)
    with stored.folder.locked():
        stored = replace(stored, manifest=stored.folder.manifest())  # nobody changes it any more
        results = stored.results(stored.folder.store.lines, AnswerScores(stored.task, reader))
        stored.write(results)
        facts = {**stored.manifest["facts"], "reader": reader}
        stored.folder.write_manifest({**stored.manifest, "facts": facts})
    return results


def with_sittings(results: Results, path: Path) -> Results:
    """Return results with every sitting of their run, in place of the ``machines`` of all.

    Args:
        results: the results.
        path: where they are; without ``run.json`` there they are returned unchanged.

    Raises:
        RunError: ``run.json`` is damaged.
    """
    folder = RunFolder(path if path.is_dir() else path.parent)
    if not folder.manifest_path.exists():
        return results
    run = {name: value for name, value in results.run.items() if name != "machines"}
    return replace(results, run={**run, "sittings": folder.manifest()["sittings"]})


def _machines(sittings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return on what the sittings that answered something ran, each combination once.

    Times and durations are not part of a result: a run that was killed ends with the same one.
    """
    machines: list[dict[str, Any]] = []
    for sitting in sittings:
        machine = {key: sitting.get(key) for key in ("device", "versions", "git")}
        if sitting.get("items") != 0 and machine not in machines:
            machines.append(machine)
    return machines


def _setting(name: str, entry: Mapping[str, Any], path: Path) -> NamedSetting:
    data = entry["method"]
    try:
        method = None if data is None else method_from(data, "it")
        return NamedSetting(name, method, entry["tuned_on"])
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{path} is damaged, as its field identity.settings.{name}.method is no setting "
            f"({error}): restore the file, or start a new run"
        ) from error


def tuned_on_these_items(setting: NamedSetting, dataset: Dataset) -> bool:
    """Whether a setting's file says that it was chosen on items of ``dataset``."""
    tuned = setting.tuned_on
    if tuned is None or (tuned.get("task"), tuned.get("split")) != (dataset.task, dataset.split):
        return False
    files = tuned.get("files")
    if files and not set(files.values()) & set(dataset.files.values()):
        return False
    ids = tuned.get("ids")
    return ids is None or not {item.id for item in dataset.items}.isdisjoint(ids)
