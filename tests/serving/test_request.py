"""What a request asks for: settings, fields, messages with audio."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
import soundfile

from mata_audio import MATA
from mata_audio.errors import AudioError, MataError, SettingsError, SettingsTypeError
from mata_audio.methods import Contrast, Mass, Method
from mata_audio.models.loading import load
from mata_audio.models.prompter import Prompter
from mata_audio.serving.conversation import conversation
from mata_audio.serving.request import check_fields, method_of

OWN = MATA(alpha=2.0, layers="3-7")
GAINS = MATA(gains=[[0.0, 0.1], [0.2, 0.0]])


@pytest.mark.parametrize(
    ("given", "default", "expected"),
    [
        (None, OWN, OWN),
        ({}, OWN, OWN),
        ({"off": True}, OWN, None),
        ({"off": False}, OWN, OWN),
        ({"alpha": 0.5}, OWN, MATA(alpha=0.5, layers="3-7")),
        ({"method": "mata", "layers": "1-2"}, OWN, MATA(alpha=2.0, layers="1-2")),
        ({"method": "mass"}, OWN, Mass()),
        ({"method": "contrast", "power": 2}, OWN, Contrast(power=2)),
        ({"alpha": 0.5}, GAINS, MATA(gains=GAINS.gains, alpha=0.5)),
        ({"layers": "1"}, GAINS, MATA(layers="1")),
    ],
)
def test_the_setting_of_a_request(given: Any, default: Method, expected: Method | None) -> None:
    assert method_of(given, default) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "must be an object"),
        ({"off": 1}, "off must be true or false"),
        ({"off": True, "alpha": 1}, "off goes with no other field"),
        ({"alpha": "strong"}, "alpha must be a number"),
        ({"alpha": float("nan")}, "finite number"),
        ({"strength": 1}, "unknown field 'strength'"),
        ({"method": "magic"}, "no method 'magic'"),
        ({"layers": "5-3"}, "layers"),
    ],
)
def test_settings_that_are_wrong(given: Any, message: str) -> None:
    with pytest.raises((SettingsError, SettingsTypeError), match=message):
        method_of(given, OWN)


def test_what_would_be_ignored_is_refused() -> None:
    check_fields({"model": "m", "n": 1, "logprobs": None, "response_format": {"type": "text"}})
    for name, value in (("n", 2), ("logprobs", True), ("tools", []), ("logit_bias", {"1": 9})):
        with pytest.raises(SettingsError, match=name):
            check_fields({"model": "m", name: value})


def encoded(format: str = "WAV", seconds: float = 1.0, rate: int = 16_000) -> str:
    file = io.BytesIO()
    sound = np.sin(np.arange(int(seconds * rate)) / 20).astype(np.float32) / 2
    soundfile.write(file, sound, rate, format=format)
    return base64.b64encode(file.getvalue()).decode()


def part(data: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


@pytest.fixture(scope="module")
def prompter() -> Prompter:
    return Prompter.of(load("tiny"))


def test_a_conversation(prompter: Prompter) -> None:
    url = {"type": "audio_url", "audio_url": {"url": "data:audio/mp3;base64," + encoded("MP3")}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [part(encoded(rate=8000)), {"type": "text", "text": "What?"}]},
        {"role": "assistant", "content": "A dog."},
        {"role": "user", "content": [url]},
    ]
    found = conversation(messages, prompter)
    kinds = [(own["role"], [one["type"] for one in own["content"]]) for own in found]
    assert kinds == [
        ("system", ["text"]),
        ("user", ["audio", "text"]),
        ("assistant", ["text"]),
        ("user", ["audio"]),
    ]
    clips = [one["audio"] for own in found for one in own["content"] if one["type"] == "audio"]
    assert [clip.dtype for clip in clips] == [np.float32] * 2
    assert [len(clip) / 16_000 for clip in clips] == pytest.approx([1, 1], abs=0.1)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, SettingsTypeError, "a text or a list of parts"),
        ([3], SettingsError, "neither text nor audio"),
        ([{"type": "image_url", "image_url": {"url": "x"}}], SettingsError, "'image_url'"),
        ([{"type": "text"}], SettingsTypeError, "text must be a string"),
        ("a <|AUDIO|> b", SettingsError, "must not contain the audio token"),
        ([{"type": "input_audio"}], SettingsTypeError, "give audio as"),
        ([part("?")], AudioError, "not base64"),
        ([part("")], AudioError, "empty"),
        ([part(base64.b64encode(b"noise").decode())], AudioError, "cannot be decoded"),
        ([part(encoded(seconds=0.001))], AudioError, "too short"),
        ([part("file:///etc/passwd")], SettingsError, "opens no addresses"),
        ([part("http://127.0.0.1/a.wav")], SettingsError, "opens no addresses"),
        ([part("/etc/passwd")], AudioError, "not base64|cannot be decoded"),
    ],
)
def test_content_that_is_wrong(
    prompter: Prompter, content: Any, error: type[MataError], message: str
) -> None:
    with pytest.raises(error, match=message):
        conversation([{"role": "user", "content": content}], prompter)


@pytest.mark.parametrize("messages", [None, [], "hello", [3], [{"role": "tool", "content": "x"}]])
def test_messages_that_are_wrong(prompter: Prompter, messages: Any) -> None:
    with pytest.raises(SettingsTypeError, match="messages"):
        conversation(messages, prompter)
