"""Writing questions and conversations about clips or pictures with a processor's chat template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from mata_audio.errors import ModelLoadError
from mata_audio.families import PromptStyle
from mata_audio.models.load_errors import reason

Messages = list[dict[str, Any]]

# The template that Qwen2-Audio was published with looks for the key, not for the type.
PARTS = {"audio": {"type": "audio", "audio_url": "clip"}, "image": {"type": "image"}}


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation.

    Args:
        role: "system", "user" or "assistant".
        parts: its texts, and None in the place of each clip or picture.
    """

    role: str
    parts: tuple[str | None, ...]


@dataclass(frozen=True)
class Chat:
    """Writes the text of prompts.

    Args:
        name: the model's name in messages.
        processor: the model's processor.
        style: how a question is put.
        kind: what questions are about, "audio" or "image".
        token: the text of one audio or image token.
    """

    name: str
    processor: Any
    style: PromptStyle
    kind: str
    token: str

    def text(self, question: str, count: int) -> str:
        """Return the text of a question about ``count`` clips or pictures; see :meth:`write`."""
        return self.write(turns(self.style, question, count))

    def write(self, said: Sequence[Turn]) -> str:
        """Return the text of a conversation, up to where the model answers.

        Some templates take only plain text, with the tokens in it; these are tried second.

        Raises:
            ModelLoadError: the template does not write every text, and one token for each clip or
                picture.
        """
        processor = self.processor
        template = None if processor.chat_template else processor.tokenizer.get_chat_template()
        parts = [part for turn in said for part in turn.parts]
        texts, count = [part.strip() for part in parts if part is not None], parts.count(None)
        wrong = ""
        ways: tuple[tuple[Any, Callable[[str], Any]], ...] = (
            ([PARTS[self.kind]], lambda words: [{"type": "text", "text": words}]),
            (self.token, str),
        )
        for shown, put in ways:
            messages = written(said, [shown] * count, put)
            try:
                text: str = processor.apply_chat_template(
                    messages, chat_template=template, add_generation_prompt=True, tokenize=False
                )
            except Exception as error:
                wrong = wrong or f": {reason(error)}"
                continue
            complete = text.count(self.token) == count and all(part in text for part in texts)
            if complete and not _as_data(messages, text):
                return text
        system = "the system prompt, " if said[0].role == "system" else ""
        asked = "the question" if len(said) <= 2 else "every message"
        raise ModelLoadError(
            f"the chat template of {self.name} does not write {system}{asked} and {count} "
            f"{self.kind} tokens ({self.token}), so the model cannot be asked{wrong}"
        )


def turns(style: PromptStyle, question: str, count: int) -> list[Turn]:
    """Return the turns of a question about ``count`` clips or pictures."""
    shown: tuple[str | None, ...] = (None,) * count
    instructions = [] if style.system is None else [style.system]
    if style.turn == "system":
        instructions.append(question)
    else:
        shown = (*shown, question) if style.audio_first else (question, *shown)
    system = [Turn("system", ("\n".join(instructions),))] if instructions else []
    return [*system, Turn("user", shown)]


def written(said: Sequence[Turn], shown: Sequence[Any], put: Callable[[str], Any]) -> Messages:
    """Return turns as the messages that a chat template takes.

    Args:
        said: the turns.
        shown: for each clip or picture, in order, what stands for it: a text, or a list of parts.
        put: puts words in the same form.
    """
    coming = iter(shown)
    return [
        {
            "role": turn.role,
            "content": reduce(
                add,
                [next(coming) if part is None else put(part) for part in turn.parts],
                put("")[:0],
            ),
        }
        for turn in said
    ]


def _as_data(messages: Messages, text: str) -> bool:
    """Whether a template that expects plain text wrote a list of parts as Python prints it."""
    lists = [message["content"] for message in messages if isinstance(message["content"], list)]
    return any(content and str(content) in text for content in lists)
