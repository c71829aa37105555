"""Calls of one steered model take turns, whatever thread they come from.

One lock, held for a whole ``generate`` or forward pass: models keep facts of their latest prompt
outside the cache, so two calls at once can be wrong even without MATA. A call that is made inside
another one, from a callback in the same thread, runs at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import torch

from mata_audio.errors import StillRunningError

T = TypeVar("T")


class Turns:
    """The turns of one model, until they are closed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._calling: set[int] = set()
        """Threads that run a call or wait for their turn."""
        self._closing = False
        self._closed = threading.Event()

    # Compilers see the call itself, not who takes turns.
    @torch.compiler.disable(recursive=False)
    def take(self, steered: Callable[[], T], stock: Callable[[], T]) -> T:
        """Run ``steered`` when no other thread's call runs; after :meth:`close`, run ``stock``.

        Raises:
            StillRunningError: the turns were closed by force while the call ran.
        """
        thread = threading.get_ident()
        outermost = thread not in self._calling
        if outermost and self._closing:
            self._closed.wait()
            return stock()
        # Nothing is held or noted outside these blocks: a KeyboardInterrupt leaves no trace.
        try:
            self._calling.add(thread)
            with self._lock:
                if self._closed.is_set():
                    if outermost:
                        return stock()
                    raise _closed_by_force()
                result = steered()
                if self._closed.is_set():
                    raise _closed_by_force()
                return result
        finally:
            if outermost:
                self._calling.discard(thread)

    def close(self, undo: Callable[[], None]) -> None:
        """Run ``undo`` once no call runs or waits. A second call does nothing.

        If the wait is interrupted, ``undo`` runs at once, and calls that still run end with an
        error.

        Raises:
            StillRunningError: the call comes from within a call of the model.
        """
        if threading.get_ident() in self._calling:
            raise StillRunningError(
                "detach() was called while this thread runs the steered model, from a streamer, a "
                "logits processor or another callback: detach after the call"
            )
        if self._closing:
            self._closed.wait()
            return
        self._closing = True
        try:
            while not self._undone(undo):
                _pause(0.002)
        except BaseException:
            undo()
            self._closed.set()
            raise

    def _undone(self, undo: Callable[[], None]) -> bool:
        """Run ``undo`` if no thread calls or waits."""
        if self._calling:
            return False
        with self._lock:
            if self._calling:  # one came meanwhile
                return False
            undo()
            self._closed.set()
            return True


def _pause(seconds: float) -> None:
    time.sleep(seconds)


def _closed_by_force() -> StillRunningError:
    return StillRunningError(
        "the intervention was taken off while this call of the model ran, because the wait for its "
        "end was interrupted: its answer would be steered in part"
    )
