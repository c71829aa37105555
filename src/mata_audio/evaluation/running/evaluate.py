"""``evaluate``: a benchmark under the baseline and any number of settings, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from mata_audio.errors import WriteError
from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.results.stored_run import SWEEP, StoredRun
from mata_audio.evaluation.running.executor import Executor, LocalExecutor
from mata_audio.evaluation.running.identity import Described, earlier_sittings
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.progress import Progress
from mata_audio.evaluation.running.recorder import Recorder
from mata_audio.evaluation.running.same_clips import check_clips
from mata_audio.evaluation.running.same_model import check_same_model
from mata_audio.evaluation.task import Task
from mata_audio.methods.method import Method
from mata_audio.models.loading import Loaded
from mata_audio.settings.named import NamedSetting, default_setting
from mata_audio.storage.run_folder import RunFolder


def evaluate(
    model: str | Path | Loaded,
    task: str | Task,
    out: str | Path,
    *,
    data: str | Path | None = None,
    settings: Method | NamedSetting | Sequence[Method | NamedSetting] | None = None,
    report: Callable[[Progress], None] | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> Results:
    """Answer a benchmark with and without MATA, each item from one prefill, and compare.

    To resume a stopped run, make the same call again.

    Args:
        model: ``"tiny"``, a local folder, a hub id, or a loaded model
            (:func:`mata_audio.models.loading.load`).
        task: name of a task, or your own :class:`Task`.
        out: the run's folder.
        data: the benchmark's folder, question file or hub id; None if the task needs none.
        settings: what to compare with the baseline; None for what the command ``mata eval`` takes:
            the setting in the model folder's ``mata.json``, else the paper's. An empty sequence
            for only the baseline.
        report: called with the progress after every batch.
        executor: where the items are answered; None for this process.
        options: fields of :class:`mata_audio.evaluation.Options`.

    Returns:
        The results. They are also written to ``out`` as JSON, Markdown, LaTeX and CSV, with the
        predictions in the official scorer's format.

    Raises:
        RunError: ``out`` holds another run, or too many items failed.
        MataError: of the kind that says what is wrong with model, task, data or setting.
    """
    if settings is None:
        settings = default_setting(model.name if isinstance(model, Loaded) else model)
    plan = make_plan(model, task, data, settings, Options(**options))
    return run_plan(plan, RunFolder(out), report or (lambda progress: None), executor)


def run_plan(
    plan: Plan,
    folder: RunFolder,
    report: Callable[[Progress], None],
    executor: Executor | None = None,
) -> Results:
    """Run or continue ``plan`` in ``folder``; errors as for :func:`evaluate`.

    ``executor`` is where the items are answered; None for this process.
    """
    known = plan.identity()
    if folder.manifest_path.exists():  # refuse before the weights are read
        folder.check_identity({**folder.manifest()["identity"], **known})
    folder.check_ours()
    with (executor or LocalExecutor()).opened(plan) as session:
        about = session.described
        identity = {**known, **about.identity}
        check_same_model(plan.settings, identity["weights"])
        folder.check_identity(identity)
        with folder.locked():
            folder.check_identity(identity)  # another process may have started a run meanwhile
            store, scores = folder.store, AnswerScores(plan.task, plan.reader)
            recorder = Recorder(plan, store, scores, session.limit, report)
            if recorder.pending:
                check_clips(plan, session.model, store.lines)
            manifest = _manifest(folder, plan, identity, about, store.written)
            folder.write_manifest(manifest)
            save = partial(folder.write_manifest, manifest)
            with _sitting(recorder, manifest["sittings"][-1], save):
                session.run(recorder, folder)
            stored = StoredRun(folder, manifest, plan.task, plan.dataset, plan.settings)
            ids = {item.id for item in plan.items}
            lines = {id: line for id, line in store.lines.items() if id in ids}
            results = stored.results(lines, scores)
            stored.write(results)
    return results


@contextmanager
def _sitting(
    recorder: Recorder, sitting: dict[str, Any], save: Callable[[], None]
) -> Iterator[None]:
    """Complete and save the sitting's account at the end of a ``with`` block, however it ends."""
    start, before = time.monotonic(), recorder.store.written

    def account() -> None:
        progress = recorder.progress
        sitting["seconds"] = round(time.monotonic() - start, 1)
        sitting["items"] = recorder.store.written - before
        sitting["failed"] = progress.failed
        sitting["batch_size_at_end"] = progress.limit.prompts or str(progress.limit)
        sitting["batches"] = progress.batches
        if progress.padding is not None:
            sitting["padding"] = round(progress.padding, 4)
        save()

    try:
        yield
    except BaseException:
        with suppress(WriteError):  # what stopped the run matters more
            account()
        raise
    account()


def _manifest(
    folder: RunFolder, plan: Plan, identity: Mapping[str, Any], about: Described, written: int
) -> dict[str, Any]:
    """Return ``run.json`` as a sitting starts; ``written`` is the number of stored lines."""
    there = folder.manifest() if folder.manifest_path.exists() else {}
    facts = dict(about.facts)
    # A sweep stays one, whichever command continues it.
    chosen_on = plan.sweep or there.get("facts", {}).get(SWEEP)
    if chosen_on is not None:
        facts[SWEEP] = dict(chosen_on)
    earlier = earlier_sittings(there.get("sittings", ()), written)
    sittings = [*earlier, dict(about.sitting)]
    return {"identity": dict(identity), "facts": facts, "sittings": sittings}
