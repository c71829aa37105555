"""Results for the tests of the report: known figures, and text in every field that tries to act."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mata_audio.evaluation.report import ClipMedia
from mata_audio.evaluation.results.results import (
    Accuracy,
    Answer,
    ClipHeard,
    ItemResult,
    Paired,
    Results,
    Row,
    SettingResult,
)
from mata_audio.settings.named import BASELINE

SCRIPT = "<script>window.acted=true;alert(1)</script>"
CLOSING = "</script><img src=x onerror=\"window.acted=true;alert('2')\"><!--"
BIDI = "\u202e(A) مرحبا بالعالم\u2028second\u2029third"
LONG = "Donaudampfschifffahrtsgesellschaft" * 20
HOSTILE = (SCRIPT, CLOSING, BIDI, LONG, "", " \t\n", "{{ 7 * 7 }}{% raw %}", "\x00\ud800 \"'&amp;")

ITEMS = 60
NAMES = ("mata-0.1", "mata-0.2", f"mata {SCRIPT}")


def item(number: int, names: tuple[str, ...] = NAMES) -> ItemResult:
    """Item ``number``: 3 ends in an error, 4 is not scored; gained every 10, lost every 15."""
    hostile = HOSTILE[number % len(HOSTILE)]
    base = steered = number % 3 == 0
    if number % 10 == 1:
        base, steered = False, True
    if number % 15 == 5:
        base, steered = True, False
    correct = {**dict.fromkeys((BASELINE, *names), base), **dict.fromkeys(names[:1], steered)}
    answers = {
        name: Answer(hostile, hostile, None if number == 4 else right)
        for name, right in correct.items()
    }
    return ItemResult(
        id=f"item {number} {SCRIPT if number == 7 else ''}",
        question=f"What is heard? {hostile}",
        choices=("rain", CLOSING, "a dog"),
        answer=None if number == 4 else "rain",
        groups={"domain": ("sound", SCRIPT)[number % 2], "level": ("easy", "hard")[number % 5 > 2]},
        clips=(ClipHeard(f"{number}.wav", 41.0, 30.0),),
        answers={} if number == 3 else answers,
        error="AudioError: it is empty " + CLOSING if number == 3 else None,
    )


def right(one: ItemResult) -> tuple[bool | None, bool | None]:
    """Whether an item is right without MATA, and with the first setting; None if it failed."""
    if not one.answers:
        return None, None
    return one.answers[BASELINE].correct, one.answers[NAMES[0]].correct


def row(grouping: str, heading: str, name: str, n: int, names: tuple[str, ...]) -> Row:
    """Half of ``n`` items are right without MATA; each setting gains 6 and loses 4."""

    def accuracy(correct: int) -> Accuracy:
        value = correct / n
        return Accuracy(n, correct, value, value - 0.05, value + 0.05)

    change = Paired(
        n, 0.5, 0.5 + 2 / n, 2 / n, 2 / n - 0.02, 2 / n + 0.02, 6, 4, 0.047, 0.14, 0.033
    )
    accuracies = {BASELINE: accuracy(n // 2), **dict.fromkeys(names, accuracy(n // 2 + 2))}
    return Row(grouping, heading, name, accuracies, dict.fromkeys(names, change))


def results(names: tuple[str, ...] = NAMES, **changes: Any) -> Results:
    settings = [SettingResult(BASELINE, "as it is", None)]
    for name in names:
        settings.append(SettingResult(name, f"alpha {SCRIPT}", {"alpha": 0.1}, name == names[-1]))
    made = Results(
        run={
            "identity": {
                "model": "Qwen/Qwen2.5-Omni-7B",
                "split": "test-mini",
                "dtype": "bfloat16",
                "data": {"mmau.json": "3f" * 32},
            },
            "facts": {"title": f"MMAU {SCRIPT}", "data_version": "v05.15.25"},
            "sessions": [{"items": 60, "note": CLOSING}],
        },
        settings=tuple(settings),
        overall=row("", "", "all", ITEMS, names),
        groups=tuple(row("domain", "Domain", name, 30, names) for name in ("sound", SCRIPT)),
        items=tuple(item(number, names) for number in range(ITEMS)),
        notes=(f"Four answers could not be read. {CLOSING}",),
    )
    return replace(made, **changes)


def clips() -> dict[str, list[ClipMedia]]:
    sources = ("data:audio/wav;base64,UklGRg==", "javascript:window.acted=true", "clips/1.wav")
    return {item(n).id: [ClipMedia(f"{n}.wav", sources[n % 3])] for n in range(ITEMS)}
