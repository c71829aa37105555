"""What the page holds for each browser tab, in memory only and for as long as the tab is open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from mata_audio.asking import Answer, Prompt
from mata_audio.models.audio import Decoded
from mata_audio.settings.named import NamedSetting
from mata_audio.web.starting_points import StartingPoint

MOST_VISITS = 64
"""Tabs that are held at once; beyond it, the one that was used least recently starts anew."""

Choice = tuple[int, ...] | None


@dataclass
class Visit:
    """What one tab asks about, and what it was answered last.

    Args:
        name: of the clip.
        clip: as the model hears it; None before there is one.
        shown: the clip as the view shows it.
        right: the right answer of an example; empty if it is not known.
        silenced: the stretch that is silenced, in seconds.
        setting: of the latest answers.
        prompts: the prompt, and the one with the stretch silenced, by whether it is.
        baseline: answers of the unmodified model, by the same.
        steered: the latest answers under the setting, by the same.
        layers: over which attention is averaged: "steered" until the reader chooses.
        heads: the same.
        points: settings that the reader opened, by name.
    """

    name: str = ""
    clip: Decoded | None = None
    shown: dict[str, Any] = field(default_factory=dict)
    right: str = ""
    silenced: tuple[float, float] | None = None
    setting: NamedSetting | None = None
    prompts: dict[bool, Prompt] = field(default_factory=dict)
    baseline: dict[bool, Answer] = field(default_factory=dict)
    steered: dict[bool, Answer] = field(default_factory=dict)
    layers: Choice | str = "steered"
    heads: Choice = None
    points: dict[str, StartingPoint] = field(default_factory=dict)

    def forget_answers(self) -> None:
        """Forget the prompts and their answers, because the clip or the question is another."""
        self.prompts.clear()
        self.baseline.clear()
        self.steered.clear()

    def forget_silence(self) -> None:
        """Forget the silenced stretch and the answers about it."""
        self.silenced = None
        for kept in (self.prompts, self.baseline, self.steered):
            kept.pop(True, None)


class Visits:
    """The visits of all open tabs, by the name that the server gives each tab."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Visit] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def of(self, tab: str) -> Visit:
        """Return the visit of a tab, a new one if it has none."""
        with self._lock:
            visit = self._open.setdefault(tab, Visit())
            self._open.move_to_end(tab)
            while len(self._open) > MOST_VISITS:
                self._open.popitem(last=False)
            return visit

    def end(self, tab: str) -> None:
        """Forget a tab and all that it held."""
        with self._lock:
            self._open.pop(tab, None)
