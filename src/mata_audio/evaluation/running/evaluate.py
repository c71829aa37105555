"""``evaluate``: a benchmark under the baseline and any number of settings, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from mata_audio.errors import WriteError
from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.results.stored_run import SWEEP, StoredRun
from mata_audio.evaluation.running.identity import (
    earlier_sittings,
    facts_of,
    generation_identity,
    model_identity,
    new_sitting,
)
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.runner import Progress, Runner
from mata_audio.evaluation.running.same_clips import check_clips
from mata_audio.evaluation.running.same_model import check_same_model
from mata_audio.evaluation.task import Task
from mata_audio.methods.mata import MATA
from mata_audio.models.loading import Loaded, load_processor, load_weights
from mata_audio.models.one_prefill import greedy
from mata_audio.settings.named import NamedSetting
from mata_audio.storage.run_folder import RunFolder


def evaluate(
    model: str | Path | Loaded,
    task: str | Task,
    out: str | Path,
    *,
    data: str | Path | None = None,
    settings: MATA | NamedSetting | Sequence[MATA | NamedSetting] | None = None,
    report: Callable[[Progress], None] | None = None,
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
        settings: what to compare with the baseline; None for the paper's setting, an empty
            sequence for only the baseline.
        report: called with the progress after every batch.
        options: fields of :class:`mata_audio.evaluation.Options`.

    Returns:
        The results. They are also written to ``out`` as JSON, Markdown, LaTeX and CSV, with the
        predictions in the official scorer's format.

    Raises:
        RunError: ``out`` holds another run, or too many items failed.
        MataError: of the kind that says what is wrong with model, task, data or setting.
    """
    wanted = MATA() if settings is None else settings
    plan = make_plan(model, task, data, wanted, Options(**options))
    return run_plan(plan, RunFolder(out), report or (lambda progress: None))


def run_plan(
    plan: Plan,
    folder: RunFolder,
    report: Callable[[Progress], None],
    loaded: Loaded | None = None,
) -> Results:
    """Run or continue ``plan`` in ``folder``; errors as for :func:`evaluate`.

    ``loaded`` is the plan's model if :func:`loaded_model` loaded it before; None to load it.
    """
    known = plan.identity()
    if folder.manifest_path.exists():  # refuse before the weights are read
        folder.check_identity({**folder.manifest()["identity"], **known})
    folder.check_ours()
    loaded = loaded_model(plan) if loaded is None else loaded
    torch.manual_seed(plan.options.seed)
    config = greedy(loaded.model, loaded.processor.tokenizer, plan.max_new_tokens)
    generation = {"generation": generation_identity(config)}
    identity = {**known, **model_identity(plan, loaded), **generation}
    check_same_model(plan.settings, identity["weights"])
    folder.check_identity(identity)
    with folder.locked():
        folder.check_identity(identity)  # another process may have started a run meanwhile
        store, scores = folder.store, AnswerScores(plan.task, plan.reader)
        runner = Runner(plan, loaded, store, scores, config, report)
        if runner.pending:
            check_clips(plan, loaded, store.lines)
        manifest = _manifest(folder, plan, identity, loaded, store.written)
        folder.write_manifest(manifest)
        _sit(runner, manifest["sittings"][-1], lambda: folder.write_manifest(manifest))
        stored = StoredRun(folder, manifest, plan.task, plan.dataset, plan.settings)
        ids = {item.id for item in plan.items}
        lines = {id: line for id, line in store.lines.items() if id in ids}
        results = stored.results(lines, scores)
        stored.write(results)
    return results


def _sit(runner: Runner, sitting: dict[str, Any], save: Callable[[], None]) -> None:
    """Run what is pending; complete and save the sitting's account, whatever happens."""
    start, before = time.monotonic(), runner.store.written

    def account() -> None:
        sitting["seconds"] = round(time.monotonic() - start, 1)
        sitting["items"] = runner.store.written - before
        sitting["failed"] = runner.progress.failed
        progress = runner.progress
        sitting["batch_size_at_end"] = progress.limit.prompts or str(progress.limit)
        sitting["batches"] = progress.batches
        if progress.padding is not None:
            sitting["padding"] = round(progress.padding, 4)
        save()

    try:
        runner.run()
    except BaseException:
        with suppress(WriteError):  # what stopped the run matters more
            account()
        raise
    account()


def loaded_model(plan: Plan) -> Loaded:
    """Return the plan's model, loaded with its options."""
    found = plan.model
    if isinstance(found, Loaded):
        return found
    processor = load_processor(found)
    model = load_weights(
        found,
        device=plan.options.device,
        dtype=plan.options.dtype,
        attn_implementation=plan.options.attn_implementation,
    )
    return Loaded(model, processor, found.name, found.family)


def _manifest(
    folder: RunFolder, plan: Plan, identity: Mapping[str, Any], loaded: Loaded, written: int
) -> dict[str, Any]:
    """Return ``run.json`` as a sitting starts; ``written`` is the number of stored lines."""
    there = folder.manifest() if folder.manifest_path.exists() else {}
    facts = facts_of(plan, loaded)
    # A sweep stays one, whichever command continues it.
    chosen_on = plan.sweep or there.get("facts", {}).get(SWEEP)
    if chosen_on is not None:
        facts[SWEEP] = dict(chosen_on)
    earlier = earlier_sittings(there.get("sittings", ()), written)
    sittings = [*earlier, new_sitting(loaded)]
    return {"identity": dict(identity), "facts": facts, "sittings": sittings}
