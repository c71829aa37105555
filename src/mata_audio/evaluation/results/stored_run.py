"""A run on disk, scored without its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError
from mata_audio.evaluation.item import Dataset
from mata_audio.evaluation.results.outcome import Lines, make_results
from mata_audio.evaluation.results.output_files import write_outputs
from mata_audio.evaluation.results.results import Results, SettingResult
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.scoring.readers import check_reader
from mata_audio.evaluation.task import Task
from mata_audio.evaluation.tasks import task_named
from mata_audio.settings.mata import MATA
from mata_audio.settings.named import NamedSetting
from mata_audio.storage.run_folder import RunFolder


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
                mata=setting.fields,
                tuned_on_these_items=tuned_on_these_items(setting, self.dataset),
            )
            for setting in self.settings
        ]
        # Sessions hold times and durations, which are not part of a result.
        run = {name: value for name, value in self.manifest.items() if name != "sessions"}
        run["facts"] = {**run["facts"], "reader": scores.reader}
        return make_results(self.dataset, lines, settings, scores, run)

    def write(self, results: Results) -> None:
        """Write ``results`` in every form, and the predictions as the official scorer takes them.

        Items that ended in an error have no prediction.
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
    settings = tuple(_setting(name, entry) for name, entry in identity["settings"].items())
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
        results = stored.results(stored.folder.store.lines, AnswerScores(stored.task, reader))
        stored.write(results)
        facts = {**stored.manifest["facts"], "reader": reader}
        stored.folder.write_manifest({**stored.manifest, "facts": facts})
    return results


def _setting(name: str, entry: Mapping[str, Any]) -> NamedSetting:
    mata = entry["mata"]
    return NamedSetting(name, None if mata is None else MATA(**mata), entry["tuned_on"])


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
