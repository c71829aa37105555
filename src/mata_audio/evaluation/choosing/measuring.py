"""The input of every way to choose: the tuning items, as batches of prompts of one length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from mata_audio.errors import DataError
from mata_audio.evaluation.choosing.expected_reply import expected_reply
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.evaluation.running.batches import prepared_batches
from mata_audio.evaluation.running.plan import Plan
from mata_audio.evaluation.running.stacking import stacked
from mata_audio.methods.mata import MATA
from mata_audio.methods.one_change import OneChange
from mata_audio.models.loading import Loaded

BATCH = BatchLimit(prompts=32)
"""The most that goes into a batch: on small models a step of a fit costs what its batches cost."""


@dataclass(frozen=True)
class Batch:
    """Some items with their model inputs, on the model's device."""

    items: tuple[Item, ...]
    inputs: dict[str, Tensor]


@dataclass(frozen=True)
class Measuring:
    """The items that may be measured on, and for which method.

    Args:
        plan: the run's plan, with only the items of the tuning part.
        loaded: the run's model.
        method: whose layers are chosen, unless gains are fitted.
        weights: digests of its weights, to know it again.
        say: called with what people should know before it takes long.
    """

    plan: Plan
    loaded: Loaded
    method: OneChange = field(default_factory=MATA)
    weights: Mapping[str, str] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _: None

    def batches(self, items: Sequence[Item] | None = None) -> Iterator[Batch]:
        """Yield all items, or the given ones, in batches of prompts of one length.

        Items that cannot be read are left out; the sweep that follows names them.

        Raises:
            DataError: none of them can be read.
        """
        plan, loaded = self.plan, self.loaded
        wanted = plan.items if items is None else items
        found = False
        for batch in prepared_batches(plan, loaded, wanted, lambda: BATCH, lambda failed: None):
            found = True
            yield Batch(tuple(own.item for own in batch), stacked(batch, loaded))
        if not found:
            raise DataError("no item could be prepared: run mata eval to see the reasons")

    def answers(self, items: Sequence[Item]) -> list[list[int]]:
        """Return the token ids of each item's right answer, in the form that the prompt asks for.

        Raises:
            DataError: an item's answer is hidden.
        """
        tokenizer = self.loaded.processor.tokenizer
        replies = (expected_reply(self.plan.template, item) for item in items)
        return [tokenizer(reply, add_special_tokens=False).input_ids for reply in replies]
