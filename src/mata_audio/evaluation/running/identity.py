"""What ``run.json`` says of a run: its identity, its facts, and its sittings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mata_audio.evaluation.running.plan import Plan
from mata_audio.families import Located, locate
from mata_audio.models.digests import (
    config_digest,
    processor_digests,
    tensors_digest,
    weights_digests,
)
from mata_audio.models.loading import Loaded
from mata_audio.models.one_prefill import greedy
from mata_audio.settings.in_words import describe_on
from mata_audio.settings.named import NamedSetting
from mata_audio.storage.environment import device_name, git_state, versions


def model_identity(plan: Plan, loaded: Loaded) -> dict[str, Any]:
    """Return what of the loaded model, its processor and this machine could change an answer.

    Of weights in files, the files count: they need no second look in memory, and of large ones the
    digests are remembered. Of a model that was given loaded, the tensors count, since nobody knows
    what happened to them since.

    Raises:
        ModelLoadError: the model or its processor cannot be told from others; the message says why.
    """
    model: Any = loaded.model
    weight = next(model.parameters())
    return {
        "weights": (
            tensors_digest(model) if isinstance(plan.model, Loaded) else weights_digests(plan.model)
        ),
        "processor": processor_digests(loaded.processor),
        "config_sha256": config_digest(model.config),
        "dtype": str(weight.dtype).removeprefix("torch."),
        "attention": model.config._attn_implementation,
        "device": weight.device.type,
        "versions": versions(),
    }


def generation_identity(config: Any) -> dict[str, Any]:
    """Return how answers are generated; ``config`` comes from ``one_prefill.greedy``."""
    return {name: value for name, value in config.to_diff_dict().items() if name != "max_length"}


@dataclass(frozen=True)
class Described:
    """What a run records of its model and of where it runs; JSON data.

    Args:
        identity: what of them could change an answer.
        facts: what else is worth knowing.
        sitting: the account of a sitting that starts now.
    """

    identity: Mapping[str, Any]
    facts: Mapping[str, Any]
    sitting: Mapping[str, Any]


def described(plan: Plan, loaded: Loaded) -> Described:
    """Describe a loaded model; errors as for :func:`model_identity`."""
    config = greedy(loaded.model, loaded.processor.tokenizer, plan.max_new_tokens)
    generation = {"generation": generation_identity(config)}
    return Described(
        {**model_identity(plan, loaded), **generation}, facts_of(plan, loaded), new_sitting(loaded)
    )


def facts_of(plan: Plan, loaded: Loaded) -> dict[str, Any]:
    """Return what else is worth knowing of a run."""
    located = locate(loaded.model)
    return {
        "title": plan.task.title,
        "model_type": plan.model.family.model_type,
        "data": None if plan.data is None else str(plan.data),
        "data_version": plan.dataset.version,
        "items": len(plan.dataset.items),
        "reader": plan.reader,
        "template_source": plan.template.source,
        "settings": {setting.name: _described(setting, located) for setting in plan.settings},
    }


def _described(setting: NamedSetting, located: Located) -> str:
    if setting.method is None:
        return "the unmodified model"
    return describe_on(setting.method, located)


def new_sitting(loaded: Loaded) -> dict[str, Any]:
    """Return the account of a sitting that starts now."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device_name(next(loaded.model.parameters()).device),
        "versions": versions(),
        "git": git_state(),
    }


def earlier_sittings(
    sittings: Sequence[Mapping[str, Any]], written: int
) -> tuple[dict[str, Any], ...]:
    """Return the sittings of a run before this one.

    A sitting that was killed could not count its items: they are what is on disk.

    Args:
        sittings: as ``run.json`` has them.
        written: lines in ``items.jsonl``.
    """
    counted = sum(sitting.get("items", 0) for sitting in sittings)
    return tuple(
        {**sitting, "items": written - counted} if "items" not in sitting else dict(sitting)
        for sitting in sittings
    )
