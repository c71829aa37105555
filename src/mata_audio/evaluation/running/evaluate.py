"""``evaluate``: a benchmark under the baseline and any number of settings, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.results.stored_run import StoredRun
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.runner import Progress, Runner
from mata_audio.evaluation.task import Task
from mata_audio.families import Located, locate
from mata_audio.models.loading import Loaded, load_processor, load_weights
from mata_audio.models.one_prefill import greedy
from mata_audio.models.prompter import Prompter
from mata_audio.settings.in_words import describe_on
from mata_audio.settings.mata import MATA
from mata_audio.settings.named import NamedSetting
from mata_audio.storage.environment import (
    config_sha256,
    device_name,
    git_state,
    text_sha256,
    versions,
    weights_sha256,
)
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


def run_plan(plan: Plan, folder: RunFolder, report: Callable[[Progress], None]) -> Results:
    """Run or continue ``plan`` in ``folder``; errors as for :func:`evaluate`."""
    known = plan.identity()
    if folder.manifest_path.exists():  # refuse before the weights are read
        folder.check_identity({**folder.manifest().get("identity", {}), **known})
    loaded = loaded_model(plan)
    torch.manual_seed(plan.options.seed)
    config = greedy(loaded.model, loaded.processor.tokenizer, plan.max_new_tokens)
    identity = {**known, **_identity_of(loaded, config)}
    folder.check_identity(identity)
    with folder.locked():
        manifest = _manifest(folder, plan, identity, loaded)
        store, scores = folder.store, AnswerScores(plan.task, plan.reader)
        runner = Runner(plan, loaded, store, scores, config, report)
        session = {"started": datetime.now(UTC).isoformat(timespec="seconds")}
        start = time.monotonic()
        try:
            folder.write_manifest({**manifest, "sessions": [*manifest["sessions"], session]})
            runner.run()
        finally:
            session |= _account(runner.progress, time.monotonic() - start)
            manifest["sessions"].append(session)
            folder.write_manifest(manifest)
        stored = StoredRun(folder, manifest, plan.task, plan.dataset, plan.settings)
        ids = {item.id for item in plan.items}
        lines = {id: line for id, line in store.lines.items() if id in ids}
        results = stored.results(lines, scores)
        stored.write(results)
    return results


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


def _identity_of(loaded: Loaded, config: Any) -> dict[str, Any]:
    """Return the part of a run's identity that needs the loaded model."""
    model: Any = loaded.model
    weight = next(model.parameters())
    return {
        "weights_sha256": weights_sha256(model),
        "config_sha256": config_sha256(model.config),
        "chat_template_sha256": text_sha256(str(Prompter.of(loaded).template)),
        "dtype": str(weight.dtype).removeprefix("torch."),
        "attention": model.config._attn_implementation,
        "device": weight.device.type,
        "generation": {
            name: value for name, value in config.to_diff_dict().items() if name != "max_length"
        },
        "versions": versions(),
    }


def _manifest(
    folder: RunFolder, plan: Plan, identity: Mapping[str, Any], loaded: Loaded
) -> dict[str, Any]:
    earlier = folder.manifest()["sessions"] if folder.manifest_path.exists() else []
    device = next(loaded.model.parameters()).device
    located = locate(loaded.model)
    facts = {
        "title": plan.task.title,
        "model_type": plan.model.family.model_type,
        "data": None if plan.data is None else str(plan.data),
        "data_version": plan.dataset.version,
        "items": len(plan.dataset.items),
        "reader": plan.reader,
        "template_source": plan.template.source,
        "settings": {setting.name: _described(setting, located) for setting in plan.settings},
        "device_name": device_name(device),
        "git": git_state(),
    }
    return {"identity": dict(identity), "facts": facts, "sessions": earlier}


def _described(setting: NamedSetting, located: Located) -> str:
    if setting.mata is None:
        return "the unmodified model"
    return describe_on(setting.mata, located)


def _account(progress: Progress, seconds: float) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 1),
        "items": progress.done - progress.resumed,
        "failed": progress.failed,
        "batch_size_at_end": progress.batch_size,
    }
