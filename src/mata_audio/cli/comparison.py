"""Baseline against MATA on the same items: answers in, figures out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mata_audio.statistics import paired_figures


@dataclass(frozen=True)
class Answered:
    """One benchmark item with both answers, as the model gave them."""

    id: str
    condition: str
    domain: str
    question: str
    choices: tuple[str, ...]
    answer: str
    baseline: str
    mata: str

    @property
    def baseline_right(self) -> bool:
        """Whether the baseline's answer is the right one."""
        return normalised(self.baseline) == normalised(self.answer)

    @property
    def mata_right(self) -> bool:
        """Whether the answer with MATA is the right one."""
        return normalised(self.mata) == normalised(self.answer)


def normalised(text: str) -> str:
    """Lower-case, without surrounding space and final punctuation."""
    return text.strip().lower().rstrip(".,;:!? ")


@dataclass(frozen=True)
class Comparison:
    """Paired figures of one group of items; accuracies and interval are fractions.

    Args:
        group: ``"condition"``, ``"domain"`` or ``"all"``.
        name: of the group.
        items: how many.
        baseline: accuracy without MATA.
        mata: accuracy with it.
        interval: 95 % paired bootstrap interval of the difference.
        gained: wrong without and right with MATA.
        lost: right without and wrong with MATA.
        p: exact two-sided McNemar p value.
    """

    group: str
    name: str
    items: int
    baseline: float
    mata: float
    interval: tuple[float, float]
    gained: int
    lost: int
    p: float

    @property
    def difference(self) -> float:
        """Accuracy with MATA less accuracy without."""
        return self.mata - self.baseline

    def as_data(self) -> dict[str, object]:
        """Return all figures for JSON."""
        return {**asdict(self), "difference": self.difference}


def compare(group: str, name: str, answers: Sequence[Answered]) -> Comparison:
    """Return the figures of one group.

    Raises:
        ValueError: the group is empty.
    """
    figures = paired_figures(
        [answer.baseline_right for answer in answers], [answer.mata_right for answer in answers]
    )
    return Comparison(
        group=group,
        name=name,
        items=figures.items,
        baseline=figures.baseline,
        mata=figures.steered,
        interval=figures.interval,
        gained=figures.gained,
        lost=figures.lost,
        p=figures.p,
    )


def compare_all(answers: Sequence[Answered]) -> list[Comparison]:
    """Return the figures by condition, by domain and of all items, groups in first-seen order."""
    rows = []
    for group in ("condition", "domain"):
        for name in dict.fromkeys(getattr(answer, group) for answer in answers):
            rows.append(compare(group, name, [a for a in answers if getattr(a, group) == name]))
    return [*rows, compare("all", "all", answers)]
