"""``with mata(model)``: a model that is steered as long as the block runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from mata_audio.errors import UnusedBlockWarning

if TYPE_CHECKING:
    from types import TracebackType

    from mata_audio.steering.attachment import Attachment


class SteeredBlock(AbstractContextManager["Attachment"]):
    """A block that steers a model when entered, and checks at its end that this did something.

    Args:
        attach: steers the model.
        on_no_audio: see :class:`mata_audio.MATA`.

    Warns:
        UnusedBlockWarning: it is thrown away and was never entered.
    """

    def __init__(self, attach: Callable[[], Attachment], on_no_audio: str) -> None:
        self._attach = attach
        self._on_no_audio = on_no_audio
        self._entered = False
        self._applied: Attachment | None = None

    def __enter__(self) -> Attachment:
        self._entered = True
        self._applied = self._attach()
        return self._applied

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._applied is not None
        self._applied.detach()
        if error is None:
            self._applied.check(self._on_no_audio)

    def __repr__(self) -> str:
        return repr(self._applied) if self._applied else "<mata(model), not entered: use `with`>"

    def __del__(self) -> None:
        if not self._entered:
            warnings.warn(
                "mata(model) was not used in a `with` statement, so the model was never steered: "
                "write `with mata(model) as applied:`, or call mata.attach(model)",
                UnusedBlockWarning,
                stacklevel=2,
            )
