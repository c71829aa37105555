"""The no-audio arm as a table, and in words."""

from __future__ import annotations

from mata_audio.evaluation.results.cells import accuracy_cells, against_baseline
from mata_audio.evaluation.results.number_format import counted, percent
from mata_audio.evaluation.results.results import Accuracy, Guessing, Results, Row, Unheard
from mata_audio.evaluation.results.table import Line, Table
from mata_audio.settings.named import BASELINE

MEANING = (
    "A setting that makes the model listen gains on items that are not answered right without the "
    "audio, and loses few of the others; one that only moves guesses trades the one for the other."
)
"""What the table means."""


def unheard_table(results: Results) -> Table | None:
    """Return what each setting gains and loses on the items that need no audio, and on the others.

    A run with only the baseline has the baseline's accuracies. None if the no-audio arm was not
    run, or no answer of it was scored.
    """
    arm = results.unheard
    title = unheard_sentence(results)
    if arm is None or title is None:
        return None
    settings = [setting.name for setting in results.settings if setting.name != BASELINE]
    if not settings:
        lines = [_accuracy_line(part) for part in arm.parts]
        return Table(title, ("items", "n", BASELINE, "95 % interval"), tuple(lines))
    adjusted = len(settings) > 1
    columns = ["n", BASELINE, "setting", "difference", "95 % interval", "gained", "lost", "p"]
    columns += ["p (Holm)"] if adjusted else []
    lines = [
        _paired_line(part, name, adjusted, len(columns)) for name in settings for part in arm.parts
    ]
    return Table(title, ("items", *columns), tuple(lines), note=MEANING)


def _accuracy_line(part: Row) -> Line:
    own = part.accuracy.get(BASELINE)
    cells = ("0", "", "") if own is None else (f"{own.n:,}", *accuracy_cells(own))
    return Line("", BASELINE, (part.name, *cells))


def _paired_line(part: Row, setting: str, adjusted: bool, columns: int) -> Line:
    paired = part.paired.get(setting)
    cells: tuple[str, ...] = ("0", *[""] * (columns - 1))
    if paired is not None:
        cells = against_baseline(paired, adjusted)
    return Line("", setting, (part.name, *cells))


def unheard_sentence(results: Results) -> str | None:
    """Say how many items are answered right without the audio, with it, and by guessing.

    None if the no-audio arm was not run, or no answer of it was scored.
    """
    arm = results.unheard
    if arm is None or arm.accuracy is None:
        return None
    return (
        f"{_accuracy(arm.accuracy)}{_with_audio(results)}.{_left_out(arm)}"
        f"{_by_guessing(arm.guessing, arm.accuracy)}"
    )


def _accuracy(own: Accuracy) -> str:
    share, interval = accuracy_cells(own)
    return (
        f"Without the audio, the model answers {own.correct:,} of {counted(own.n, 'item')} right: "
        f"{share} % (95 % interval {interval})"
    )


def _with_audio(results: Results) -> str:
    baseline = results.overall.accuracy.get(BASELINE)
    return "" if baseline is None else f", against {percent(baseline.value)} % with it"


def _left_out(arm: Unheard) -> str:
    count = arm.left_out
    return f" {counted(count, 'answer')} without it not counted." if count else ""


def _by_guessing(found: Guessing | None, own: Accuracy) -> str:
    if found is None:
        return ""
    expected = f"{percent(found.expected)} %"
    if found.n == own.n:
        return f" Guessing among the choices would give {expected}."
    share = percent(found.correct / found.n)
    return (
        f" Of {counted(found.n, 'item')} with choices it is {share} %, and guessing among the "
        f"choices would give {expected}."
    )
