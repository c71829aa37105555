"""Writing a question beside clips or pictures, by the chat template of a processor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mata_audio.errors import ModelLoadError
from mata_audio.families import PromptStyle
from mata_audio.models.load_errors import reason

Messages = list[dict[str, Any]]

# The template that Qwen2-Audio was published with goes by the key and not by the type.
PARTS = {"audio": {"type": "audio", "audio_url": "clip"}, "image": {"type": "image"}}


@dataclass(frozen=True)
class Chat:
    """Writes the text of prompts.

    Args:
        name: what to call the model in messages.
        processor: of the model.
        style: how a question is put.
        kind: what it is about, "audio" or "image".
        token: what stands for one of these in a text.
    """

    name: str
    processor: Any
    style: PromptStyle
    kind: str
    token: str

    def text(self, question: str, count: int) -> str:
        """Return the text of a question about ``count`` clips or pictures.

        Some templates take messages of words alone, with the tokens in them.

        Raises:
            ModelLoadError: the template does not write the question, the system prompt and one
                token for each.
        """
        processor = self.processor
        template = None if processor.chat_template else processor.tokenizer.get_chat_template()
        words = [told.strip() for told in (question, self.style.system) if told is not None]
        wrong = ""
        ways: tuple[tuple[Any, Callable[[str], Any]], ...] = (
            ([PARTS[self.kind]] * count, lambda words: [{"type": "text", "text": words}]),
            (self.token * count, str),
        )
        for shown, write in ways:
            messages = self.messages(question, shown, write)
            try:
                text: str = processor.apply_chat_template(
                    messages,
                    chat_template=template,
                    add_generation_prompt=True,
                    tokenize=False,
                )
            except Exception as error:
                wrong = wrong or f": {reason(error)}"
                continue
            whole = text.count(self.token) == count and all(told in text for told in words)
            if whole and not _as_data(messages, text):
                return text
        system = "" if len(words) == 1 else "the system prompt, "
        raise ModelLoadError(
            f"the chat template of {self.name} does not write {system}the question and {count} "
            f"{self.kind} tokens ({self.token}), so it cannot be asked{wrong}"
        )

    def messages(self, question: str, shown: Any, write: Callable[[str], Any]) -> Messages:
        """Return the turns: ``shown`` is the clips, ``write`` puts words in the same form."""
        style, content = self.style, shown
        told = [] if style.system is None else [style.system]
        if style.turn == "system":
            told.append(question)
        else:
            content = shown + write(question) if style.audio_first else write(question) + shown
        messages = [{"role": "user", "content": content}]
        if told:
            messages.insert(0, {"role": "system", "content": write("\n".join(told))})
        return messages


def _as_data(messages: Messages, text: str) -> bool:
    """Whether a template wrote a list of parts as Python does, which takes contents for words."""
    lists = [message["content"] for message in messages if isinstance(message["content"], list)]
    return any(content and str(content) in text for content in lists)
