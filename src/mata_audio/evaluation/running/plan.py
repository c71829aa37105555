"""The plan of a run: everything is decided and checked before any weights are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mata_audio.errors import DataError, SettingsError
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.running.batch_limit import (
    AUTO,
    BATCHINGS,
    Batching,
    read_batch_size,
)
from mata_audio.evaluation.running.equal_settings import equal_settings
from mata_audio.evaluation.running.unheard import with_unheard
from mata_audio.evaluation.running.where import Where, items_where
from mata_audio.evaluation.scoring.readers import check_reader
from mata_audio.evaluation.task import Task
from mata_audio.evaluation.tasks import task_named
from mata_audio.evaluation.templates.template import Template, default_template, load_template
from mata_audio.families import locate
from mata_audio.methods.method import Method
from mata_audio.models.finding import Found, find_model, model_name, skeleton
from mata_audio.models.loading import DTYPES, Loaded, device_named
from mata_audio.models.other_audio import OTHERS
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.settings.named import NamedSetting, with_baseline
from mata_audio.shown.one_line import OneLine


@dataclass(frozen=True)
class Options(OneLine):
    """Options of a run; None leaves the choice to the task, the model or the machine.

    Args:
        split: the task's split.
        template: name of a prompt template, or a template file.
        reader: name of an answer reader.
        max_new_tokens: longest answer.
        batch_size: prompts in one batch, such as 16; prompt tokens, such as ``"tokens=16384"``; or
            ``"auto"`` for what fits the device.
        batching: ``"exact"`` to have only prompts of one length in a batch; ``"padded"`` to pad
            prompts of similar lengths; ``"auto"`` to pad on a GPU if the family's encoder
            allows it.
        limit: run only this many items, the first ones.
        ids: run only these items.
        where: run only items whose group is one of the values, by key of grouping, such as
            ``{"task": ["sound", "music"]}``.
        cut_long_audio: cut clips that are too long for the model; otherwise these items fail.
        max_errors: stop once more items than this have failed in one session.
        retry_errors: run items that failed before again.
        device: ``"auto"``, a PyTorch device, or ``"spread"`` over all GPUs.
        dtype: one of :data:`mata_audio.models.loading.DTYPES`.
        attn_implementation: attention backend.
        trust_remote_code: run Python code from the model's repository.
        seed: seed of PyTorch's generators; greedy decoding draws nothing from them.
        workers: threads that prepare clips and questions, or processes if that takes long.
        unheard: also answer every item without hearing its audio: the no-audio arm, which costs
            another prefill. It is never a candidate.
    """

    split: str | None = None
    template: str | Path | None = None
    reader: str | None = None
    max_new_tokens: int | None = None
    batch_size: int | str = AUTO
    batching: str = AUTO
    limit: int | None = None
    ids: Sequence[str] | None = None
    where: Where | None = None
    cut_long_audio: bool = True
    max_errors: int = 100
    retry_errors: bool = False
    device: str = AUTO
    dtype: str = AUTO
    attn_implementation: str | None = None
    trust_remote_code: bool = False
    seed: int = 0
    workers: int = 4
    unheard: bool = False

    def __post_init__(self) -> None:
        least = {"limit": 1, "max_new_tokens": 1, "max_errors": 0, "workers": 1, "seed": 0}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < bound):
                raise SettingsError(
                    f"{name} must be a whole number of at least {bound}; got {value!r}"
                )
        read_batch_size(self.batch_size)
        if self.batching not in (AUTO, *BATCHINGS):
            hint = did_you_mean(self.batching, (AUTO, *BATCHINGS))
            raise SettingsError(
                f"batching must be one of {', '.join((AUTO, *BATCHINGS))}; got "
                f"{self.batching!r}{hint}"
            )
        if self.dtype not in DTYPES:
            hint = did_you_mean(self.dtype, DTYPES)
            raise SettingsError(
                f"dtype must be one of {', '.join(DTYPES)}; got {self.dtype!r}{hint}"
            )


@dataclass(frozen=True)
class Plan(OneLine):
    """A run with every choice made.

    Args:
        task: the benchmark.
        data: where its data is.
        dataset: all items of the split.
        items: the items to run.
        model: found on disk or on the hub, or loaded already.
        settings: the baseline first; the no-audio arm last, if it is run.
        template: prompt template.
        reader: answer reader.
        max_new_tokens: longest answer.
        batching: whether a batch has prompts of one length, or padded ones.
        options: as they were given.
        sweep: of a sweep, ``tuning_ids``, the items that its settings are ranked on, and ``how``
            the settings were found, if they were measured; JSON data.
    """

    task: Task
    data: str | Path | None
    dataset: Dataset
    items: tuple[Item, ...]
    model: Found | Loaded
    settings: tuple[NamedSetting, ...]
    template: Template
    reader: str
    max_new_tokens: int
    batching: Batching
    options: Options
    sweep: Mapping[str, Any] | None = None

    def identity(self) -> dict[str, Any]:
        """Return everything that could change an answer and is known before the model is loaded.

        Which items are run, how large batches are, and how answers are read are not part of it.
        """
        template = {k: v for k, v in asdict(self.template).items() if k != "source"}
        return {
            "model": model_name(self.model.name),
            "task": self.task.name,
            "split": self.dataset.split,
            "data": dict(self.dataset.files),
            "settings": {setting.name: setting.as_data() for setting in self.settings},
            "template": {**template, "sha256": self.template.sha256},
            "max_new_tokens": self.max_new_tokens,
            "cut_long_audio": self.options.cut_long_audio,
            "batching": self.batching,
            "seed": self.options.seed,
        }


def make_plan(
    model: str | Path | Loaded,
    task: str | Task,
    data: str | Path | None = None,
    settings: Method | NamedSetting | Sequence[Method | NamedSetting] = (),
    options: Options | None = None,
) -> Plan:
    """Make and check the plan of a run; arguments as for :func:`mata_audio.evaluation.evaluate`.

    Raises:
        MataError: of the kind that says what is wrong with task, data, model, setting or option.
    """
    options = options or Options()
    chosen = task if isinstance(task, Task) else task_named(task)
    split = options.split or chosen.splits[0]
    if split not in chosen.splits:
        hint = did_you_mean(split, chosen.splits)
        raise SettingsError(
            f"{chosen.name} has no split {split!r}{hint}; allowed: {', '.join(chosen.splits)}"
        )
    if chosen.needs_data and data is None:
        raise DataError(
            f"{chosen.name} needs its data: a local folder in the published layout, or a hub id "
            "(--data)"
        )
    named = with_baseline(settings)
    reader = options.reader or chosen.reader
    check_reader(reader)
    found: Found | Loaded
    if isinstance(model, Loaded):
        found, located = model, locate(model.model)
    else:
        found = find_model(model, trust_remote_code=options.trust_remote_code)
        located = locate(skeleton(found))
    check_second_prompts(named)
    for name, same in equal_settings(named, located).items():
        raise SettingsError(
            f"the settings {same!r} and {name!r} are one and the same on this model, and would "
            "count twice in Holm's adjustment: leave one out"
        )
    template = (
        default_template(found.family.model_type, model_name(found.name), chosen)
        if options.template is None
        else load_template(options.template)
    )
    dataset = chosen.load(data, split)
    return Plan(
        task=chosen,
        data=Path(data).resolve() if data is not None and Path(data).exists() else data,
        dataset=dataset,
        items=_selected(dataset, options),
        model=found,
        settings=with_unheard(named, located, options.unheard),
        template=template,
        reader=reader,
        max_new_tokens=options.max_new_tokens or chosen.max_new_tokens,
        batching=_batching(options, found),
        options=options,
    )


def check_second_prompts(settings: Sequence[NamedSetting]) -> None:
    """Check that an evaluation can make the second prompts that settings compare with.

    Raises:
        SettingsError: it cannot make one of them.
    """
    for setting in settings:
        needed = () if setting.method is None else setting.method.rule().others
        for name in set(needed) - set(OTHERS):
            raise SettingsError(
                f"{setting.name} compares with a {name} prompt, which an evaluation cannot make: "
                f"it makes {', '.join(OTHERS)}. In a program of your own, give it: "
                f"method(model, others={{{name!r}: inputs}})"
            )


def _batching(options: Options, model: Found | Loaded) -> Batching:
    """Return how a model's items are put into batches.

    Larger batches help a CPU little, and padding costs it time.

    Raises:
        SettingsError: padded batches were asked for, and the family's encoder would hear the
            padding; or the device does not exist.
    """
    pads = model.family.hearing.ignores_padding
    if options.batching == "padded" and not pads:
        raise SettingsError(
            f'a {model.family.model_type} model can\'t be run with batching="padded": its answers '
            "are not known to be the same beside longer clips. Allowed: exact"
        )
    if options.batching != AUTO:
        return "padded" if options.batching == "padded" else "exact"
    if isinstance(model, Loaded):
        device = next(model.model.parameters()).device
    else:
        device = device_named(options.device)
    return "padded" if pads and device.type != "cpu" else "exact"


def _selected(dataset: Dataset, options: Options) -> tuple[Item, ...]:
    items = dataset.items
    if options.ids is not None:
        wanted = set(options.ids)
        known = {item.id: None for item in items}
        missing = sorted(wanted - set(known))
        if missing:
            hint = did_you_mean(missing[0], known) or f" (ids there look like {items[0].id!r})"
            raise SettingsError(
                f"{len(missing)} of the ids asked for are not in {dataset.task} "
                f"{dataset.split}, the first is {missing[0]!r}{hint}"
            )
        items = tuple(item for item in items if item.id in wanted)
    if options.where:
        items = items_where(dataset, items, options.where)
    return items[: options.limit]
