"""``mata serve tiny`` as a process on this machine, asked by OpenAI's own client."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mata_audio.methods import Method
from mata_audio.models.loading import Loaded, load
from mata_audio.models.prompter import Prompter
from mata_audio.serving.conversation import conversation
from mata_audio.serving.request import method_of
from mata_audio.tiny import MODEL_PATH
from serving.accounts import assert_account
from serving.test_request import encoded, part

openai = pytest.importorskip("openai", reason="mata serve needs mata-audio[serve]")
pytest.importorskip("fastapi", reason="mata serve needs mata-audio[serve]")
pytest.importorskip("uvicorn", reason="mata serve needs mata-audio[serve]")

QUESTION = {"type": "text", "text": "Which sound is this? (A) dog (B) cat"}
DEFAULT = Method.load(MODEL_PATH / "mata.json")
SETTINGS: list[Any] = [
    None,
    {"off": True},
    {"alpha": 0.5},
    {"alpha": 1.0, "layers": "0-11", "formula": "add"},
    {"method": "mass", "alpha": 1.0},
    {"method": "contrast"},
    {"method": "pai"},
]
CAPTION = {
    "method": "changes",
    "changes": [{"formula": "add", "alpha": 1, "keys": "caption", "layers": "1"}],
}
MOST_MEGABYTES = 2


@dataclass
class Server:
    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> Any:
        return openai.OpenAI(base_url=self.url + "/v1", api_key="none", max_retries=0, timeout=60)

    def ask(self, *clips: str, setting: Any = None, **more: Any) -> Any:
        """Return the answer to a question about clips."""
        messages = [{"role": "user", "content": [QUESTION, *map(part, clips or [encoded()])]}]
        given = {"model": "tiny", "messages": messages, **more}
        if setting is not None:
            given["extra_body"] = {"mata": setting}
        return self.client.chat.completions.create(**given)

    def resident(self) -> int:
        """Return its memory in MB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", "tiny", "--port", str(port), "--max-megabytes", str(MOST_MEGABYTES)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mata_audio", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    started = Server(process, port)
    try:
        while True:
            assert process.poll() is None, process.stdout and process.stdout.read()
            try:
                urllib.request.urlopen(started.url + "/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield started
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load("tiny")


def expected(loaded: Loaded, clips: list[str], setting: Any) -> tuple[str, Any]:
    """What the model answers in this process, and the receipt; None for the unmodified model."""
    content = [QUESTION, *map(part, clips)]
    messages = conversation([{"role": "user", "content": content}], Prompter.of(loaded))
    template = loaded.processor.apply_chat_template
    how = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
    inputs = template(messages, add_generation_prompt=True, **how)
    method = method_of(setting, DEFAULT)
    if method is None:
        output, receipt = loaded.model.generate(**inputs), None
    else:
        with method(loaded.model, tokenizer=loaded.processor.tokenizer) as applied:
            output = loaded.model.generate(**inputs)
        receipt = applied.receipt
    new = output[0, inputs["input_ids"].shape[1] :]
    return loaded.processor.decode(new, skip_special_tokens=True), receipt


def assert_facts(facts: dict[str, Any], receipt: Any) -> None:
    if receipt is None:
        assert facts == {"off": True}
        return
    assert_account(facts, receipt)


def test_models_and_health(server: Server) -> None:
    assert [own.id for own in server.client.models.list().data] == ["tiny"]
    with urllib.request.urlopen(server.url + "/health") as answer:
        assert json.load(answer) == {"status": "ok"}


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_an_answer_is_that_of_the_model(server: Server, loaded: Loaded, setting: Any) -> None:
    text, receipt = expected(loaded, [encoded()], setting)
    answer = server.ask(encoded(), setting=setting)
    assert answer.choices[0].message.content == text
    assert_facts(answer.model_extra["mata"], receipt)
    assert answer.usage.prompt_tokens > 20


def test_a_stream(server: Server, loaded: Loaded) -> None:
    text, receipt = expected(loaded, [encoded("MP3")], {"alpha": 0.7})
    chunks = list(server.ask(encoded("MP3"), setting={"alpha": 0.7}, stream=True))
    assert "".join(own.choices[0].delta.content or "" for own in chunks) == text
    assert [own.choices[0].finish_reason for own in chunks].count("stop") == 1
    assert_facts(chunks[-1].model_extra["mata"], receipt)
    assert not any("mata" in own.model_extra for own in chunks[:-1])


def test_many_requests_at_once_each_have_their_own_setting(server: Server, loaded: Loaded) -> None:
    clips = [encoded(seconds=1 + number / 8) for number in range(4)]
    asked = [(clips[number % 4], SETTINGS[number % len(SETTINGS)]) for number in range(32)]
    with concurrent.futures.ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda own: server.ask(own[0], setting=own[1]), asked))
    for (clip, setting), answer in zip(asked, answers, strict=True):
        text, receipt = expected(loaded, [clip], setting)
        assert answer.choices[0].message.content == text
        assert_facts(answer.model_extra["mata"], receipt)


def test_two_clips_and_none(server: Server, loaded: Loaded) -> None:
    clips = [encoded(), encoded(seconds=2)]
    text, receipt = expected(loaded, clips, None)
    answer = server.ask(*clips)
    assert answer.choices[0].message.content == text
    assert_facts(answer.model_extra["mata"], receipt)
    messages = [{"role": "user", "content": "No clip."}]
    answer = server.client.chat.completions.create(model="tiny", messages=messages)
    assert answer.model_extra["mata"]["audio_tokens"] == 0
    assert answer.model_extra["mata"]["active_rows"] == 0


@pytest.mark.parametrize(
    ("how", "status", "message"),
    [
        ({"setting": {"alpha": "x"}}, 400, "alpha must be a number"),
        ({"setting": {"layers": "10-99"}}, 400, "numbered 0-11"),
        ({"setting": {"method": "vcd"}}, 400, "second prompt"),
        ({"setting": CAPTION}, 400, "no span is called 'caption'"),
        ({"n": 2}, 400, "does not support n=2"),
        ({"temperature": "hot"}, 400, "hot"),
        ({"model": "other"}, 400, "other"),
        ({"messages": []}, 400, "one message or more"),
        ({"messages": [{"role": "user", "content": [part("AAAA")]}]}, 400, "decoded as audio"),
        ({"messages": [{"role": "user", "content": "a" * 10**7}]}, 413, "larger than 2 MB"),
    ],
)
def test_a_wrong_request_says_why(
    server: Server, how: dict[str, Any], status: int, message: str
) -> None:
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError, match=message) as refused:
            server.ask(**how, stream=stream)
        assert refused.value.status_code == status
        assert refused.value.body["type"] == "invalid_request_error"


def test_what_fails_while_it_generates_is_an_error_too(server: Server) -> None:
    with pytest.raises(openai.InternalServerError, match="unexpected") as failed:
        server.ask(stop=[3])
    assert failed.value.body["type"] == "server_error"
    assert server.ask().choices[0].message.content


def test_bodies_that_are_no_requests(server: Server) -> None:
    for body in (b"", b"[]", b"{", b'{"model": "tiny"', b"\xff\xfe"):
        request = urllib.request.Request(
            server.url + "/v1/chat/completions",
            body,
            {"Content-Type": "application/json"},
            method="POST",
        )
        with pytest.raises(urllib.request.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 400
        assert json.load(refused.value)["error"]["message"]


def test_a_body_without_a_length_is_limited_too(server: Server) -> None:
    """In chunks, it says nowhere how long it will be."""
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            for _ in range(MOST_MEGABYTES * 20):
                line.sendall(piece)
        except OSError:
            pass  # it has been refused, and the line closed
        line.settimeout(10)
        assert b" 413 " in line.recv(100)


def test_clients_that_hang_up(server: Server, loaded: Loaded) -> None:
    """While they ask, and while they are answered."""
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            line.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{"
            )
        stream = server.ask(encoded(), stream=True)
        next(iter(stream))
        stream.close()
    text, _ = expected(loaded, [encoded()], None)
    assert server.ask(encoded()).choices[0].message.content == text


def test_memory_stays(server: Server, request: pytest.FixtureRequest) -> None:
    """With ``--soak``, 500 requests."""
    rounds = 500 if request.config.getoption("--soak") else 20
    held = []
    for number in range(rounds):
        server.ask(setting=SETTINGS[number % len(SETTINGS)])
        held.append(server.resident())
    later = np.array(held[rounds // 2 :])
    assert later.max() - later.min() < 10, held


def test_it_ends_when_told_and_leaves_no_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "mata_audio", "serve", "tiny", "--port", str(port)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("mata: serving"):
            assert f"http://127.0.0.1:{port}/v1" in line
            break
    own = subprocess.run(words, capture_output=True, text=True, check=False)  # the port is taken
    assert own.returncode != 0
    assert "address already in use" in own.stderr.lower()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) in (0, -signal.SIGTERM)
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_half_precision_features_are_cast(loaded: Loaded) -> None:
    """A model in bfloat16 is given its features in bfloat16."""
    from mata_audio.serving.answering import Asked, _asked, _Steered

    given: dict[str, Any] = {}

    class Model:
        dtype = torch.bfloat16

        def generate(self, **kwargs: Any) -> str:
            given.update(kwargs)
            return "done"

    _asked.set(Asked(None))
    steered = _Steered(Model(), loaded.processor)
    assert steered.generate(input_features=torch.ones(2), input_ids=torch.ones(2).long()) == "done"
    assert given["input_features"].dtype == torch.bfloat16
    assert given["input_ids"].dtype == torch.int64
