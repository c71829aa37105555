"""The outcome of a study, as data: what was run on what, and every reported setting's figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mata_audio.evaluation.results.results import Paired
from mata_audio.evaluation.results.significance import SIGNIFICANT
from mata_audio.evaluation.study.contenders import CHOSEN, FITTED
from mata_audio.shown.one_line import OneLine

REPORTED = "the reporting items"


@dataclass(frozen=True)
class Part(OneLine):
    """The items that settings were chosen on, or reported on.

    Args:
        task: name of the benchmark.
        title: its name for people.
        split: the split.
        version: name of the release of the data; None if it is unknown.
        data: sha256 of each question file, by file name.
        items: number of items that were run.
        failed: those that ended in an error.
        ids: sha256 of their ids, one a line.
        template: name of the prompt template.
        template_sha256: digest of its text.
        reader: name of the answer reader.
    """

    task: str
    title: str
    split: str
    version: str | None
    data: Mapping[str, str]
    items: int
    failed: int
    ids: str
    template: str
    template_sha256: str
    reader: str


@dataclass(frozen=True)
class Figures(OneLine):
    """One setting against the baseline on a group of items; ``grouping`` is empty for all."""

    grouping: str
    heading: str
    name: str
    paired: Paired


@dataclass(frozen=True)
class Correct(OneLine):
    """How many items of a group are right, of those that count."""

    grouping: str
    heading: str
    name: str
    n: int
    correct: int


@dataclass(frozen=True)
class LeftOut(OneLine):
    """What a way of choosing gives on groups that it was not chosen on.

    Args:
        key: key of the grouping whose groups were left out in turn.
        settings: by group, the setting chosen without it; None where nothing was found.
        figures: each group under its setting, pooled over all groups, and by group.
    """

    key: str
    settings: Mapping[str, str | None]
    figures: tuple[Figures, ...]


@dataclass(frozen=True)
class Entry(OneLine):
    """A setting of a method, and what it does on the reporting items.

    Args:
        method: name of the contender, or of the way to fit.
        how: ``"published"``, ``"default"`` (of a method of our own), ``"chosen"``, ``"fitted"`` or
            ``"carried over"``.
        name: the setting's name in the study's runs; None if choosing or fitting found nothing.
        description: the setting on this model, in words.
        setting: its method and fields, as JSON data.
        tried: number of settings it was chosen from; 0 if it was not chosen.
        cost: rows of the batch that a token takes, and prefills, in words.
        seconds: measured for a prompt with this setting only; None if it was not timed.
        chosen_on: all choosing items, which flatter a setting that was chosen or fitted on them.
        figures: the reporting items, all first, then by group.
        left_out: for each grouping whose groups were left out in turn.
    """

    method: str
    how: str
    name: str | None = None
    description: str = ""
    setting: Mapping[str, Any] | None = None
    tried: int = 0
    cost: str = ""
    seconds: float | None = None
    chosen_on: Paired | None = None
    figures: tuple[Figures, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def overall(self) -> Paired | None:
        """The figures over all reporting items."""
        return overall(self.figures)


@dataclass(frozen=True)
class Study(OneLine):
    """A study's outcome. It holds no audio, no text of a question, and no path.

    Args:
        model: ``name``, ``model_type``, ``weights`` (sha256 by file name), ``config_sha256``,
            ``dtype`` and ``attention``.
        machines: device, versions and commit, each combination once.
        choosing: the items that settings were chosen on.
        reporting: the items that they are reported on; no item is in both.
        shared_clips: reporting items with a clip that a choosing item has too.
        condition: key of the grouping whose groups are the conditions; empty if there is none.
        tried: number of settings that were run on the choosing items.
        baseline: right answers of the unmodified model on the reporting items.
        unheard: right answers without the audio; None if that was not run.
        seconds: measured for a prompt with the unmodified model; None if it was not timed.
        entries: the table's rows.
    """

    model: Mapping[str, Any]
    machines: tuple[Mapping[str, Any], ...]
    choosing: Part
    reporting: Part
    shared_clips: int
    condition: str
    tried: int
    baseline: tuple[Correct, ...]
    unheard: Correct | None
    seconds: float | None
    entries: tuple[Entry, ...] = field(default=())

    @property
    def conditions(self) -> list[str]:
        """Names of the conditions."""
        return [own.name for own in self.baseline if own.grouping == self.condition != ""]

    @property
    def winner(self) -> Entry | None:
        """The chosen setting that gains most on the choosing items; None if none gains."""
        known = [own for own in self.entries if own.how == CHOSEN and own.chosen_on is not None]
        return max(known, key=lambda own: own.chosen_on.difference, default=None)  # type: ignore[union-attr]

    @property
    def recommended(self) -> Entry | None:
        """The winner, if it also holds on the reporting items and wherever it was left out."""
        found = self.winner
        return found if found is not None and not self.against(found) else None

    def against(self, entry: Entry) -> list[str]:
        """Return what speaks against a setting, in words: where it gains nothing, or loses."""
        reasons = self._against(entry.figures, REPORTED)
        for own in entry.left_out:
            reasons += self._against(own.figures, f"a {own.key} left out")
        return reasons

    def _against(self, figures: tuple[Figures, ...], where: str) -> list[str]:
        every = overall(figures)
        reasons = []
        if every is None or every.gained <= every.lost:
            more_lost = every is not None and every.gained < every.lost
            reasons.append(f"{'loses' if more_lost else 'gains nothing'} on {where}")
        reasons += [
            f"loses in {own.name} on {where}"
            for own in figures
            if own.grouping == self.condition != "" and loses(own.paired)
        ]
        return reasons

    def standing(self, entry: Entry) -> str:
        """Say in a few words what is known of an entry."""
        if entry.name is None:
            return "nothing found"
        here, all_of_it = self._against(entry.figures, REPORTED), self.against(entry)
        if all_of_it:
            fits = entry.how == FITTED and not here
            return f"gains where it was fitted, but {all_of_it[0]}" if fits else all_of_it[0]
        assert entry.overall is not None
        if entry.overall.p_holm >= SIGNIFICANT:
            return "may be chance"
        return "gains, also left out" if entry.left_out else "gains"


def overall(figures: tuple[Figures, ...]) -> Paired | None:
    """Return the figures over all items; None if no item was scored."""
    return next((own.paired for own in figures if own.grouping == ""), None)


def loses(paired: Paired) -> bool:
    """Whether more is lost than gained, and not by chance (p < 0.05)."""
    return paired.lost > paired.gained and paired.p < SIGNIFICANT
