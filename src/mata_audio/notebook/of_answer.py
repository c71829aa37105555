"""An answer: its words with where they listened, and its likeliest first words."""

from __future__ import annotations

from mata_audio.asking import Answer
from mata_audio.notebook import markup


def html(answer: Answer) -> str:
    """Return the answer, its words with their attention on audio, and its likely first words."""
    heard = answer.heard
    made = markup.paragraph(f"{answer.name}: {answer.text or '(empty)'}")
    if heard is None:
        why = f"No attention is shown: {answer.why_not or 'none was asked for'}."
        made += markup.paragraph(why)
    else:
        over = list(answer.layers) or None
        rows = [
            [word.text, f"{100 * heard.along_time(word, over).sum():.1f}"] for word in answer.words
        ]
        made += markup.table("Words", ["word", "attention on audio (%)"], rows)
    first = [[own.text, f"{100 * own.probability:.1f}"] for own in answer.first_words]
    return made + markup.table("Likeliest first words", ["first word", "probability (%)"], first)
