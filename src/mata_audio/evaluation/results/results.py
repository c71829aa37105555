"""The results of a run, as data: accuracies, paired comparisons, and every item's answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mata_audio.settings.named import BASELINE
from mata_audio.shown.in_html import InHtml
from mata_audio.shown.one_line import OneLine, described, short

UNHEARD = "unheard"
"""Name of the no-audio arm: under it no token attends to the audio. It is never a candidate."""


@dataclass(frozen=True)
class Accuracy(OneLine):
    """Share of right answers, with its 95 % Wilson interval; fractions, not percent."""

    n: int
    correct: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired(OneLine):
    """One setting against the baseline on the same items; fractions, not percent.

    Args:
        n: items answered and scored under both; all figures here are over these.
        before: accuracy of the baseline.
        after: accuracy of the setting.
        difference: ``after`` less ``before``.
        low: lower end of its 95 % interval (Tango's, with continuity correction).
        high: its upper end.
        gained: wrong without and right with the setting.
        lost: right without and wrong with it.
        p: exact two-sided McNemar p value.
        p_holm: the same, adjusted (Holm) over the run's settings.
        smallest_difference: what this n and discordance can show with 80 % power at the 5 % level;
            None if nothing.
    """

    n: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    gained: int
    lost: int
    p: float
    p_holm: float
    smallest_difference: float | None


@dataclass(frozen=True)
class Row(OneLine):
    """A group of items, or all of them.

    Args:
        grouping: key of the grouping; ``""`` for all items.
        heading: the grouping's heading.
        name: the group's name.
        accuracy: by setting name, including the baseline, each over its own scored answers: what
            the official script gives.
        paired: by setting name, against the baseline, over the items scored under both.
        left_out: by setting name, the answers of scored items that do not count; settings without
            any are not listed.
    """

    grouping: str
    heading: str
    name: str
    accuracy: Mapping[str, Accuracy]
    paired: Mapping[str, Paired]
    left_out: Mapping[str, int] = field(default_factory=dict)

    def even(self, setting: str) -> bool:
        """Whether the baseline's, the setting's and the paired figures are over the same items."""
        if setting == BASELINE:
            return True
        accuracies = self.accuracy.get(BASELINE), self.accuracy.get(setting)
        figures = (*accuracies, self.paired.get(setting))
        return len({0 if own is None else own.n for own in figures}) == 1


@dataclass(frozen=True)
class SettingResult(OneLine):
    """A setting that was run.

    Args:
        name: its name in tables.
        description: the setting on this model, in words.
        method: its method and fields, as JSON data; None for the baseline.
        tuned_on_these_items: whether it was chosen on items of the same data.
        negative_share: share of the raw audio scores below zero at the last prompt token, over the
            steered layers and heads, averaged over items; ``multiply`` lowers attention to these.
        mass_before: share of attention on audio there, without the setting.
        mass_after: the same with it.
    """

    name: str
    description: str
    method: Mapping[str, Any] | None
    tuned_on_these_items: bool = False
    negative_share: float | None = None
    mass_before: float | None = None
    mass_after: float | None = None


@dataclass(frozen=True)
class Guessing(OneLine):
    """What guessing would give, over the items whose choices are known.

    Args:
        n: items with choices whose answer without the audio counts.
        correct: those of them that are right without the audio.
        expected: share that is right if one of the choices is taken at random.
    """

    n: int
    correct: int
    expected: float


@dataclass(frozen=True)
class Unheard(OneLine):
    """The no-audio arm: what is right without the audio, and what each setting gains there.

    Args:
        setting: the arm, as it was run.
        accuracy: over its answers that count; None if there are none.
        left_out: its answers of scored items that do not count.
        guessing: None if no item has choices.
        parts: figures of the items that are answered right without the audio, and of the others.
            They have the run's settings, as groups have.
    """

    setting: SettingResult
    accuracy: Accuracy | None
    left_out: int
    guessing: Guessing | None
    parts: tuple[Row, ...]


@dataclass(frozen=True)
class Answer(OneLine):
    """The model's answer under one setting: raw, as read, and whether it is right.

    ``correct`` is None if the item is not scored or does not count.
    """

    raw: str
    read: str
    correct: bool | None


@dataclass(frozen=True)
class ClipHeard(OneLine):
    """One clip of an item.

    Args:
        name: its name in the question file.
        seconds: its length.
        heard: how much of it the model heard, in seconds.
        place: what was read, relative to the data's folder; a member of an archive follows a colon,
            as do a parquet file's row group and row. Empty if it was no file.
        sha256: digest of its sound as decoded, before cutting and resampling
            (:class:`mata_audio.models.audio.Decoded`).
    """

    name: str
    seconds: float
    heard: float
    place: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class ItemResult(OneLine):
    """One item with its answers by setting name.

    ``error`` says why there are none; ``scored`` is False if the benchmark does not score it.
    """

    id: str
    question: str
    choices: tuple[str, ...]
    answer: str | None
    groups: Mapping[str, str]
    clips: tuple[ClipHeard, ...]
    answers: Mapping[str, Answer]
    error: str | None = None
    scored: bool = True


@dataclass(frozen=True)
class Results(OneLine, InHtml):
    """A run's results.

    Args:
        run: the content of ``run.json``: ``identity``, ``facts`` and, of the sittings that answered
            something, ``machines``: device, versions and commit, each combination once.
        settings: the settings that were compared, the baseline first.
        overall: all items; of a sweep, all that no setting was chosen on.
        groups: the benchmark's groups of these items, in its order.
        items: in the question file's order.
        notes: what a reader must know, one sentence each.
        tuning_ids: of a sweep, the items that its settings were ranked on; no figure counts them.
        unheard: the no-audio arm, over the items of ``overall``; None if it was not run.
    """

    run: Mapping[str, Any]
    settings: tuple[SettingResult, ...]
    overall: Row
    groups: tuple[Row, ...]
    items: tuple[ItemResult, ...]
    notes: tuple[str, ...]
    tuning_ids: tuple[str, ...] = ()
    unheard: Unheard | None = None

    def __repr__(self) -> str:
        identity = self.run.get("identity", {})
        of = " ".join(short(str(identity[key]), 24) for key in ("task", "split") if key in identity)
        items = f"{len(self.items):,} items"
        accuracies = [self._accuracy(own.name) for own in self.settings]
        if len(accuracies) > 3:
            accuracies[1:] = [f"{len(accuracies) - 1:,} settings"]
        return described(f"Results{of and f' of {of}'}: {items}; {', '.join(accuracies)}")

    def _accuracy(self, setting: str) -> str:
        own = self.overall.accuracy.get(setting)
        return short(setting, 24) + ("" if own is None else f" {own.value:.1%}")

    @property
    def answered(self) -> tuple[SettingResult, ...]:
        """Every setting that has answers: those that were compared, then the no-audio arm."""
        return self.settings + (() if self.unheard is None else (self.unheard.setting,))

    def to_pandas(self) -> Any:
        """Return one row for each item and setting, as a ``pandas.DataFrame``.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas: pip install 'mata-audio[eval]'") from error
        tuning = set(self.tuning_ids)
        rows = [
            {
                "id": item.id,
                "setting": setting.name,
                "question": item.question,
                "choices": list(item.choices),
                "answer": item.answer,
                "tuning": item.id in tuning,
                **item.groups,
                "raw": None if own is None else own.raw,
                "read": None if own is None else own.read,
                "correct": None if own is None else own.correct,
                "error": item.error,
            }
            for item in self.items
            for setting in self.answered
            for own in [item.answers.get(setting.name)]
        ]
        return pandas.DataFrame(rows)
