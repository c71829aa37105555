"""``vllm serve`` as users start it, asked by OpenAI's client."""

from __future__ import annotations

import base64
import io
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import soundfile

from vllm_plugin.asking import CLIP, ENVIRONMENT, Question
from vllm_plugin.engine_process import clip

pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")
openai = pytest.importorskip("openai")

MODEL = "qwen2_audio"
TEMPLATE = "w5 w6 {% for message in messages %}{{ message['content'] }}{% endfor %}"


@pytest.fixture(scope="module")
def client(
    folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Start a server that steers by default, and return a client of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("server")
    template = home / "template.jinja"
    template.write_text(TEMPLATE)
    options = ["--dtype", "float32", "--enforce-eager", "--max-model-len", "512"]
    log = (home / "log").open("w")
    server = subprocess.Popen(
        [
            # What `vllm serve` starts; the command itself fails in the CPU's community build.
            *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", folder(MODEL), *options),
            *("--host", "127.0.0.1", "--port", str(port), "--served-model-name", "small"),
            *("--chat-template", template, "--chat-template-content-format", "string"),
        ],
        env={
            **os.environ,
            **ENVIRONMENT,
            "VLLM_ENABLE_V1_MULTIPROCESSING": "1",
            "MATA_SETTING": "alpha=2 layers=1-3",
        },
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
                break
            except OSError:
                assert server.poll() is None, (home / "log").read_text()[-4000:]
                time.sleep(0.5)
        yield openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=60)
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)


def ask(client: Any, setting: str | None, sounds: tuple[tuple[int, int], ...], words: str) -> Any:
    """Ask the server with WAV clips; returns the choice, its tokens and its log-probabilities."""
    parts: list[Any] = []
    for seed, samples in sounds:
        wav = io.BytesIO()
        soundfile.write(wav, clip(seed, samples), 16_000, format="WAV", subtype="FLOAT")
        data = base64.b64encode(wav.getvalue()).decode()
        parts.append({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
    extra: dict[str, Any] = {"return_token_ids": True, "ignore_eos": True}
    if setting is not None:
        extra["vllm_xargs"] = {"mata": setting}
    return client.chat.completions.create(
        model="small",
        messages=[{"role": "user", "content": [*parts, {"type": "text", "text": words}]}],
        temperature=0,
        max_tokens=6,
        logprobs=True,
        extra_body=extra,
    )


def text_of(ids: list[int], tokenizer: Any) -> str:
    """Return the prompt that has these ids, with one mark for each clip."""
    words: list[str] = []
    for name, same in itertools.groupby(tokenizer.convert_ids_to_tokens(ids)):
        words += [name] if name in CLIP else same
    return " ".join(words)


def test_requests_with_settings_of_their_own(
    client: Any, folder: Callable[[str], Path], transformers_answers: Any
) -> None:
    """Several at once; each is what Transformers answers."""
    asked = [
        (None, "alpha=2 layers=1-3", ((1, 9000),)),
        ("off", None, ((1, 9000),)),
        ("alpha=0.5", "alpha=0.5 layers=1-3", ((2, 12_000),)),
        ("formula=mass alpha=1", "alpha=1 layers=1-3 formula=mass", ((3, 9000),)),
        (None, "alpha=2 layers=1-3", ()),
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda own: ask(client, own[0], own[2], "w7 w8 w9 w10"), asked))
    tokenizer = transformers_answers.processor(folder(MODEL)).tokenizer
    for answer, (_, setting, sounds) in zip(answers, asked, strict=True):
        text = text_of(answer.prompt_token_ids, tokenizer)
        expected = transformers_answers(folder(MODEL), Question(text, sounds, setting, tokens=6))
        assert answer.prompt_token_ids == expected["ids"]
        assert answer.choices[0].token_ids == expected["tokens"]
        found = [own.logprob for own in answer.choices[0].logprobs.content]
        assert found == pytest.approx(expected["logprobs"], abs=2e-4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [("alpha=many", "alpha must be a number"), ("layers=2-8", "4 decoder layers")],
)
def test_a_wrong_setting_is_the_clients_mistake(client: Any, setting: str, message: str) -> None:
    sound = ((7, 9000),)
    with pytest.raises(openai.BadRequestError, match=message):
        ask(client, setting, sound, "w7 w8")
    assert ask(client, None, sound, "w7 w8").choices[0].token_ids  # the clip is not lost
