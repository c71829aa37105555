"""The right reply to a prompt, in the form that the prompt asks for."""

from __future__ import annotations

from mata_audio.errors import DataError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.templates.template import Template, choice_letter


def expected_reply(template: Template, item: Item) -> str:
    """Return the right reply: a letter, a tagged answer, or the answer's text.

    Raises:
        DataError: the item's answer is hidden, or the prompt asks for a letter and no choice is it.
    """
    if item.answer is None:
        raise DataError(
            f"{item.id} has no answer, and this method needs the right ones: use a split with "
            "answers, or the method knockout"
        )
    if "{choices}" in template.text and "letters" in template.choices and item.choices:
        if item.answer not in item.choices:
            raise DataError(f"{item.id}: the answer {item.answer!r} is none of its choices")
        return choice_letter(item.choices.index(item.answer))
    if "<answer>" in template.text:
        return f"<answer>{item.answer}</answer>"
    return item.answer
