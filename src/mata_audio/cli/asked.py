"""What ``mata ask`` shows: the answers, what changed in plain words, first words and attention."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mata_audio.cli.terminal import breadth, cell, plain, wrapped
from mata_audio.notation.layers import format_indices

if TYPE_CHECKING:
    from mata_audio.asking import Answer, Word

GAP = 4
MOST_WORDS = 12
"""Words whose attention is shown; a file with everything has all of them."""

LEAST = 0.0005
"""Probabilities below would be written as 0.0 %."""

Row = tuple[str, list[float | str | None]]
"""What a row is about; and for each answer a share, words instead of one, or nothing."""


def asked_text(answers: Sequence[Answer], clips: int, width: int) -> str:
    """Return everything about the answers to one question.

    Args:
        answers: the baseline's if it was asked, and the setting's.
        clips: number of the question's clips.
        width: columns.
    """
    names = [answer.name for answer in answers]
    layers = answers[-1].layers
    parts = [side_by_side({answer.name: answer.text for answer in answers}, width)]
    if len(answers) > 1:
        parts.append(_filled(change_in_words(answers[0], answers[-1]), width))
    parts.append(_table("first words", names, first_word_rows(answers), width))
    attention = attention_rows(answers, clips)
    if attention:
        named = f"layer{'s' if len(layers) > 1 else ''} {format_indices(layers)}"
        where = named if layers else "all layers"
        table = _table("attention on audio", names, attention, width)
        above = any(isinstance(own, float) and own > 1 for _, row in attention for own in row)
        more = "; the method may bring it above 100 %" if above else ""
        parts.append(f"{table}\n(mean over {where} and all heads{more})")
    parts += [
        _filled(f"{own.name}: no attention is shown, as {own.why_not}.", width)
        for own in answers
        if own.why_not
    ]
    return "\n\n".join(parts)


def side_by_side(answers: dict[str, str], width: int = 100) -> str:
    """Return the answers under their names, in columns at most ``width`` wide together."""
    column = (width - GAP * (len(answers) - 1)) // len(answers)
    cells = [
        [
            cell(name, column).rstrip(),
            "-" * (column if len(answers) > 1 else min(len(name), column)),
        ]
        + [
            line
            for paragraph in plain(text or "(empty answer)").splitlines()
            for line in wrapped(paragraph, column)
        ]
        for name, text in answers.items()
    ]
    rows = itertools.zip_longest(*cells, fillvalue="")
    gap = " " * GAP
    return "\n".join(
        gap.join(own + " " * (column - breadth(own)) for own in row).rstrip() for row in rows
    )


def change_in_words(before: Answer, after: Answer) -> str:
    """Return in a sentence or two what a setting changed."""
    said = _change_of_words(before, after)
    was, now = share(before, after.layers), share(after, after.layers)
    if was is None or now is None:
        return said
    return f"{said} Its attention on audio went from {_percent(was)} to {_percent(now)}."


def _change_of_words(before: Answer, after: Answer) -> str:
    old, new = before.first_words[0], after.first_words[0]
    what = "first word" if _is_word(after) else "first token"
    was, now = _percent(old.probability), _percent(new.probability)
    if old.text != new.text:
        return (
            f"The answer changed: its {what} was {_quoted(old.text)} ({was}), and is now "
            f"{_quoted(new.text)} ({now}; before {_likely(before, new.text)})."
        )
    likely = f"{_quoted(new.text)} went from {was} to {now}"
    if was == now:
        likely = f"{_quoted(new.text)} is as likely as before ({now})"
    if before.text == after.text:
        return f"The answer is the same; its {what} {likely}."
    place = _shared(before, after)
    parted = [
        _quoted(own.words[place].text) if place < len(own.words) else "the end"
        for own in (before, after)
    ]
    return (
        f"The answer changed at word {place + 1}: {parted[0]} became {parted[1]}. "
        f"Its {what} {likely}."
    )


def first_word_rows(answers: Sequence[Answer]) -> list[Row]:
    """Return a row for each likely first word, with its probability in each answer."""
    found = [answer.likeliest for answer in answers]
    words = dict.fromkeys(text for own in reversed(found) for text in own)
    order = sorted(words, key=lambda text: -max(own.get(text, 0.0) for own in found))
    return [
        (_shown(text), [own.get(text, f"< {_percent(_least(own))}") for own in found])
        for text in order
        if max(own.get(text, 0.0) for own in found) >= LEAST
    ]


def attention_rows(answers: Sequence[Answer], clips: int) -> list[Row]:
    """Return the share of attention on audio: of each word, of the whole answer, of each clip."""
    if all(answer.heard is None for answer in answers):
        return []
    layers = answers[-1].layers
    by_word = _word_rows(answers, layers)
    rows = by_word[:MOST_WORDS]
    if len(by_word) > MOST_WORDS:
        rows.append((f"({len(by_word) - MOST_WORDS:,} more words)", [None] * len(answers)))
    if len(by_word) > 1:
        rows.append(("whole answer", [share(own, layers) for own in answers]))
    if clips > 1:
        rows += [
            (f"clip {number + 1}", [share(own, layers, clip=number) for own in answers])
            for number in range(clips)
        ]
    return rows


def share(
    answer: Answer, layers: Sequence[int], word: Word | None = None, clip: int | None = None
) -> float | None:
    """Return the mean share of attention on audio; None if there is no attention.

    Args:
        answer: of which the attention is.
        layers: those that are averaged; all, if there are none.
        word: a word of the answer; None for all of it.
        clip: one clip; None for all of them.
    """
    if answer.heard is None:
        return None
    by_head = answer.heard.by_head(word, clip)
    return float(by_head[list(layers)].mean() if layers else by_head.mean())


def _word_rows(answers: Sequence[Answer], layers: Sequence[int]) -> list[Row]:
    """Return a row for each word that the answers share from the start, then for the others."""
    same = _shared(answers[0], answers[-1])
    rows: list[Row] = [
        (_quoted(answers[0].words[place].text), [share(o, layers, o.words[place]) for o in answers])
        for place in range(same)
    ]
    for answer in answers:
        for word in answer.words[same:]:
            own = [share(answer, layers, word) if other is answer else None for other in answers]
            rows.append((_quoted(word.text), list(own)))
    return [row for row in rows if any(own is not None for own in row[1])]


def _shared(one: Answer, other: Answer) -> int:
    """Return how many words two answers have in common from the start."""
    pairs = zip(one.words, other.words, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0].text == pair[1].text, pairs))


def _table(heading: str, names: Sequence[str], rows: Sequence[Row], width: int) -> str:
    """Return rows of shares with bars, a column for each answer."""
    column = (width - max(16, width // 4)) // len(names)
    label = width - column * len(names)
    bar = column - GAP - len("100.0 %  ")
    lines = [cell(heading, label) + "".join(" " * GAP + cell(own, column - GAP) for own in names)]
    for name, shares in rows:
        line = cell(name, label)
        for own in shares:
            text = _percent(own) if isinstance(own, float) else own or ""
            hashes = "#" * round(bar * min(own, 1.0)) if isinstance(own, float) else ""
            line += " " * GAP + f"{text:>7}  {hashes:<{bar}}"
        lines.append(line)
    return "\n".join(line.rstrip() for line in lines)


def _filled(text: str, width: int) -> str:
    """Return plain text in lines, none of which ends between a number and its percent sign."""
    kept = plain(text).replace(" %", "\xa0%")
    return textwrap.fill(kept, width).replace("\xa0%", " %")


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _likely(answer: Answer, text: str) -> str:
    found = answer.likeliest
    return _percent(found[text]) if text in found else f"below {_percent(_least(found))}"


def _least(found: Mapping[str, float]) -> float:
    """Return the least of probabilities, but not less than can be written."""
    return max(min(found.values()), 0.001)


def _is_word(answer: Answer) -> bool:
    """Whether the first token is the whole first word."""
    return bool(answer.words) and answer.words[0].last == 0


def _shown(text: str) -> str:
    """Return a token for a table: without space around it, or as Python writes it."""
    return text.strip() or repr(text)


def _quoted(text: str) -> str:
    return f'"{_shown(text)}"'
