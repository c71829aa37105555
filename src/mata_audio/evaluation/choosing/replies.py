"""What a model would say if it answered rightly, in the form that the prompt asks for."""

from __future__ import annotations

from string import ascii_uppercase

from mata_audio.errors import DataError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.templates.template import Template


def expected_reply(template: Template, item: Item) -> str:
    """Return the right reply: a letter, a tagged answer, or the answer's text.

    Raises:
        DataError: the item's answer is hidden, or no choice is it where a letter is asked for.
    """
    if item.answer is None:
        raise DataError(
            f"{item.id} has no answer, and this method needs the right ones: use a split with "
            "answers, or the method knockout"
        )
    if "{choices}" in template.text and "letters" in template.choices and item.choices:
        if item.answer not in item.choices:
            raise DataError(f"{item.id}: the answer {item.answer!r} is none of its choices")
        return ascii_uppercase[item.choices.index(item.answer)]
    if "<answer>" in template.text:
        return f"<answer>{item.answer}</answer>"
    return item.answer
