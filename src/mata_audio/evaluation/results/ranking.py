"""A sweep's settings, ranked on one part of a run's items and reported on the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mata_audio.evaluation.results.figures import figures_of
from mata_audio.evaluation.results.results import Paired, Results, Row, SettingResult
from mata_audio.settings.named import BASELINE
from mata_audio.shown.in_html import InHtml
from mata_audio.shown.one_line import OneLine

HELD_OUT, TUNING = "held out", "tuning"
"""The parts of a sweep's items."""


@dataclass(frozen=True)
class Sweep(OneLine, InHtml):
    """The result of a sweep.

    Args:
        results: the whole run: every setting on every item.
        tuning_ids: ids of the items that settings were ranked on.
        ranking: setting names, the best on the tuning part first.
        tuning: figures of the tuning part; p values are Holm-adjusted over the grid.
        held_out: figures of the rest. Only the winner's are free of selection bias.
        winner: the best setting on the tuning part; None if none gains more than it loses.
    """

    results: Results
    tuning_ids: tuple[str, ...]
    ranking: tuple[str, ...]
    tuning: Row
    held_out: Row
    winner: str | None

    def setting(self, name: str) -> SettingResult:
        """Return a setting of the sweep by its name."""
        return next(setting for setting in self.results.settings if setting.name == name)

    @property
    def confirmation(self) -> Paired | None:
        """The winner against the baseline on the held-out items.

        None if there is no winner, or none of these items was scored under both.
        """
        return None if self.winner is None else self.held_out.paired.get(self.winner)

    @property
    def recommended(self) -> str | None:
        """The winner if it gains more than it loses on the held-out items too, else None."""
        found = self.confirmation
        return self.winner if found is not None and found.gained > found.lost else None

    @property
    def reported(self) -> Results:
        """The results with only the figures to report by group.

        These are the baseline's and the winner's, on the held-out items: the others' were not
        confirmed by anything.
        """
        names, arm = [BASELINE, self.winner], self.results.unheard
        return replace(
            self.results,
            settings=tuple(own for own in self.results.settings if own.name in names),
            overall=_only(self.results.overall, names),
            groups=_only_all(self.results.groups, names),
            unheard=None if arm is None else replace(arm, parts=_only_all(arm.parts, names)),
        )


def sweep_of(results: Results) -> Sweep | None:
    """Return the sweep that a run is, ranked; None if it is another run."""
    return rank(results, results.tuning_ids) if results.tuning_ids else None


def rank(results: Results, tuning_ids: Sequence[str]) -> Sweep:
    """Rank the settings of a run on some of its items and report on the others."""
    chosen_on = set(tuning_ids)
    names = [setting.name for setting in results.settings]
    tuning = figures_of([item for item in results.items if item.id in chosen_on], names)
    rest = figures_of([item for item in results.items if item.id not in chosen_on], names)
    compared = [name for name in names if name != BASELINE and name in tuning.paired]
    # Ties keep the order in which the settings were given.
    ranking = tuple(sorted(compared, key=lambda name: -tuning.paired[name].difference))
    best = ranking[0] if ranking and tuning.paired[ranking[0]].difference > 0 else None
    return Sweep(results, tuple(tuning_ids), ranking, tuning, rest, best)


def _only_all(rows: Sequence[Row], names: Sequence[str | None]) -> tuple[Row, ...]:
    return tuple(_only(row, names) for row in rows)


def _only(row: Row, names: Sequence[str | None]) -> Row:
    """Return a row with these settings; a single comparison needs no adjusted p."""
    return replace(
        row,
        accuracy={name: own for name, own in row.accuracy.items() if name in names},
        paired={
            name: replace(own, p_holm=own.p) for name, own in row.paired.items() if name in names
        },
        left_out={name: own for name, own in row.left_out.items() if name in names},
    )
