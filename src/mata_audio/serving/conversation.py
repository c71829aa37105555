"""The messages of a request, with their audio decoded: what a processor's chat template takes."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from mata_audio.errors import AudioError, SettingsError, SettingsTypeError
from mata_audio.models.audio import decode_audio
from mata_audio.models.prompter import Clip, Prompter

ROLES = ("system", "developer", "user", "assistant")


def conversation(messages: object, prompter: Prompter, cut: bool = False) -> list[dict[str, Any]]:
    """Return the messages of a request for the processor of a model.

    Audio is given as base64, in ``input_audio`` or as a data URL: the server opens no addresses
    and no files.

    Args:
        messages: as in OpenAI's protocol.
        prompter: of the model.
        cut: cut clips that are too long for the model, instead of refusing them.

    Raises:
        SettingsError: a part of a message is not text or audio, or the model does not take it.
        SettingsTypeError: the messages have another form.
        AudioError: audio cannot be decoded, or is too short or too long for the model.
    """
    if not isinstance(messages, list) or not messages:
        raise SettingsTypeError("messages must be a list of one message or more")
    found = [_message(message, number, prompter, cut) for number, message in enumerate(messages)]
    prompter.check_clips(
        sum(part["type"] == "audio" for message in found for part in message["content"])
    )
    return found


def _message(message: object, number: int, prompter: Prompter, cut: bool) -> dict[str, Any]:
    where = f"messages[{number}]"
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        raise SettingsTypeError(f"{where} must be an object with a role: one of {', '.join(ROLES)}")
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise SettingsTypeError(f"{where}: content must be a text or a list of parts")
    role = "system" if message["role"] == "developer" else message["role"]
    parts = [_part(part, f"{where}.content[{i}]", prompter, cut) for i, part in enumerate(content)]
    return {"role": role, "content": parts}


def _part(part: object, where: str, prompter: Prompter, cut: bool) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(part, dict) or kind not in ("text", "input_audio", "audio_url"):
        raise SettingsError(
            f"{where} is neither text nor audio: its type must be text, input_audio or audio_url; "
            f"got {kind!r}"
        )
    if kind == "text":
        text, token = part.get("text"), prompter.processor.audio_token
        if not isinstance(text, str):
            raise SettingsTypeError(f"{where}: text must be a string")
        if token in text:
            raise SettingsError(f"{where} must not contain the audio token {token}: leave it out")
        return {"type": "text", "text": text}
    return {"type": "audio", "audio": _clip(part.get(kind), where, prompter, cut)}


def _clip(given: object, where: str, prompter: Prompter, cut: bool) -> Clip:
    """Return the clip of an audio part at the model's sampling rate."""
    data = None
    if isinstance(given, dict):
        data = given.get("data", given.get("url"))
    if not isinstance(data, str):
        raise SettingsTypeError(
            f'{where}: give audio as {{"data": BASE64, "format": "wav"}} or {{"url": DATA URL}}'
        )
    if data.startswith("data:"):
        data = data.partition(",")[2]
    elif "://" in data[:16]:
        raise SettingsError(f"{where}: this server opens no addresses: give the audio as base64")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AudioError(f"{where} is not base64: {error}") from error
    limits = prompter.limits
    return decode_audio(
        content, where, limits.sampling_rate, limits.shortest, limits.longest, cut
    ).samples
