"""From inspect_ai's messages to those of OpenAI's protocol, which our server reads too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inspect_ai.model import ChatMessage, ContentAudio, ContentText

from mata_audio.errors import SettingsError


def openai_messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Return messages for :func:`mata_audio.serving.conversation.conversation`.

    Args:
        messages: as inspect_ai gives them to a provider: it has put files into data URIs.

    Raises:
        SettingsError: a message is of a tool, or calls one.
    """
    return [
        {"role": _role(message), "content": [_part(part) for part in _parts(message)]}
        for message in messages
    ]


def _role(message: ChatMessage) -> str:
    if message.role == "tool" or getattr(message, "tool_calls", None):
        raise SettingsError("the provider mata has no tools: leave their calls and results out")
    return message.role


def _parts(message: ChatMessage) -> Sequence[Any]:
    content = message.content
    return [ContentText(text=content)] if isinstance(content, str) else content


def _part(part: Any) -> dict[str, Any]:
    """Return one part; those that are neither text nor audio keep only their type."""
    if isinstance(part, ContentText):
        return {"type": "text", "text": part.text}
    if isinstance(part, ContentAudio):
        return {"type": "audio_url", "audio_url": {"url": part.audio}}
    return {"type": part.type}
