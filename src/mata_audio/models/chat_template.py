"""Writing a question about clips or pictures with a processor's chat template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mata_audio.errors import ModelLoadError
from mata_audio.families import PromptStyle
from mata_audio.models.load_errors import reason

Messages = list[dict[str, Any]]

# The template that Qwen2-Audio was published with looks for the key, not for the type.
PARTS = {"audio": {"type": "audio", "audio_url": "clip"}, "image": {"type": "image"}}


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
        """Return the text of a question about ``count`` clips or pictures.

        Some templates take only plain text, with the tokens in it; these are tried second.

        Raises:
            ModelLoadError: the template does not write the question, the system prompt and one
                token for each.
        """
        processor = self.processor
        template = None if processor.chat_template else processor.tokenizer.get_chat_template()
        texts = [part.strip() for part in (question, self.style.system) if part is not None]
        wrong = ""
        ways: tuple[tuple[Any, Callable[[str], Any]], ...] = (
            ([PARTS[self.kind]] * count, lambda words: [{"type": "text", "text": words}]),
            (self.token * count, str),
        )
        for shown, write in ways:
            messages = self.messages(question, shown, write)
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
        system = "" if len(texts) == 1 else "the system prompt, "
        raise ModelLoadError(
            f"the chat template of {self.name} does not write {system}the question and {count} "
            f"{self.kind} tokens ({self.token}), so the model cannot be asked{wrong}"
        )

    def messages(self, question: str, shown: Any, write: Callable[[str], Any]) -> Messages:
        """Return the turns of a question.

        Args:
            question: the question.
            shown: the clips or pictures, in a form that the template takes.
            write: puts words in the same form.
        """
        style, content = self.style, shown
        instructions = [] if style.system is None else [style.system]
        if style.turn == "system":
            instructions.append(question)
        else:
            content = shown + write(question) if style.audio_first else write(question) + shown
        messages = [{"role": "user", "content": content}]
        if instructions:
            messages.insert(0, {"role": "system", "content": write("\n".join(instructions))})
        return messages


def _as_data(messages: Messages, text: str) -> bool:
    """Whether a template that expects plain text wrote a list of parts as Python prints it."""
    lists = [message["content"] for message in messages if isinstance(message["content"], list)]
    return any(content and str(content) in text for content in lists)
