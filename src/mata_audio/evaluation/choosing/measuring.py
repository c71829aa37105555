"""What every method measures on: the tuning items, as batches of prompts of one length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from mata_audio.errors import DataError
from mata_audio.evaluation.choosing.replies import expected_reply
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.plan import Plan
from mata_audio.evaluation.running.prepare import Prepared, ahead, batches, preparer_of, stacked
from mata_audio.evaluation.running.runner import HELD_BYTES, auto_batch
from mata_audio.models.loading import Loaded


@dataclass(frozen=True)
class Batch:
    """Some items with their model inputs, on the model's device."""

    items: tuple[Item, ...]
    inputs: dict[str, Tensor]


@dataclass(frozen=True)
class Measuring:
    """The items that a method may measure on.

    Args:
        plan: of the run; its items are those of the tuning part.
        loaded: its model.
    """

    plan: Plan
    loaded: Loaded

    def batches(self, items: Sequence[Item] | None = None) -> Iterator[Batch]:
        """Yield the items, or some of them, in batches of prompts of one length.

        Items that cannot be read are left out; the sweep that follows names them.

        Raises:
            DataError: not one can be read.
        """
        plan, loaded = self.plan, self.loaded
        wanted = plan.items if items is None else items
        made = ahead(preparer_of(plan, loaded), wanted, plan.options.workers, window=16)
        prepared = (item for item in made if isinstance(item, Prepared))
        size = auto_batch(loaded.model)
        found = False
        for batch in batches(prepared, lambda: size, HELD_BYTES):
            found = True
            yield Batch(tuple(own.item for own in batch), stacked(batch, loaded.model))
        if not found:
            raise DataError("not one item could be prepared: see mata eval for the reasons")

    def answers(self, items: Sequence[Item]) -> list[list[int]]:
        """Return the token ids of each item's right answer, as the prompt asks for it.

        Raises:
            DataError: an item's answer is hidden.
        """
        tokenizer = self.loaded.processor.tokenizer
        replies = (expected_reply(self.plan.template, item) for item in items)
        return [tokenizer(reply, add_special_tokens=False).input_ids for reply in replies]
