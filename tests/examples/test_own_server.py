"""The example of a server: real requests, each with its own setting, many at once."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import soundfile

from held import Held
from mata_audio import answer_text, inputs_for
from mata_audio.methods import MATA, Mass, Method
from mata_audio.tiny import make_items

ITEM = make_items("test", 31)[30]
SCRIPT = Path(__file__).parents[2] / "examples" / "own_server.py"
DEFAULT = MATA(alpha=2.0, layers="3-7")
Asked = tuple[int, dict[str, Any]]


def clip(rate: int = 16_000) -> str:
    file = io.BytesIO()
    soundfile.write(file, ITEM.waveform(), rate, format="WAV")
    return base64.b64encode(file.getvalue()).decode()


def asked(address: str, request: Any, kind: str = "application/json") -> Asked:
    """Send a request; return status and content."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    sent = urllib.request.Request(address, body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(sent, timeout=120) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture
def address(held: Held, example: Callable[[str], dict[str, Any]]) -> Iterator[str]:
    """A server of the embedded model."""
    script = example("own_server")
    with script["serving"](script["Answering"](held.loaded, DEFAULT), 0) as server:
        host, port = server.server_address[:2]
        assert host == "127.0.0.1"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.shutdown()
            thread.join()


def test_every_request_has_its_setting(held: Held, address: str) -> None:
    """Sixteen at once; each answer is that of the model asked directly."""
    settings: dict[str, tuple[dict[str, Any], Method | None]] = {
        "none": ({}, DEFAULT),
        "off": ({"setting": None}, None),
        "field": ({"setting": {"alpha": 5}}, MATA(alpha=5, layers="3-7")),
        "method": (
            {"setting": {"method": "mass", "alpha": 2, "layers": "3-7"}},
            Mass(alpha=2, layers="3-7"),
        ),
    }
    request = {"question": ITEM.question, "audio": clip()}
    with ThreadPoolExecutor(16) as threads:
        got = list(
            threads.map(lambda own: asked(address, {**request, **own[0]}), [*settings.values()] * 4)
        )
    model, processor = held.loaded.model, held.loaded.processor
    inputs = inputs_for(model, processor, ITEM.question, ITEM.waveform())
    answers = set()
    for (status, reply), (_, method) in zip(got, [*settings.values()] * 4, strict=True):
        assert status == 200, reply
        if method is None:
            output = model.generate(**inputs, do_sample=False, max_new_tokens=64)
            expected = (None, None)
        else:
            with method(model) as applied:
                output = model.generate(**inputs, do_sample=False, max_new_tokens=64)
            expected = (method.as_data(), str(applied.receipt))
        assert reply["answer"] == answer_text(processor, inputs, output)
        assert (reply["setting"], reply["receipt"]) == expected
        answers.add(reply["answer"])
    assert answers == {"low", "high"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"setting": {"alpa": 1}}, "unknown field 'alpa'"),
        ({"setting": {"method": "loud"}}, "no method 'loud'"),
        ({"setting": {"layers": "99"}}, "layer"),
        ({"setting": "mass"}, "object or null"),
        ({"audio": "?"}, ""),
        ({"audio": "AAAA"}, "the clip"),
        ({"question": " "}, "question is empty"),
        ({"question": 3}, "must be text"),
        ({"more": 1}, "nothing else"),
        (b"{", ""),
        (b"[" * 100_000, ""),
        (b"[]", "give an object"),
    ],
)
def test_what_is_refused(address: str, change: Any, said: str) -> None:
    good = {"question": ITEM.question, "audio": clip()}
    status, reply = asked(address, change if isinstance(change, bytes) else {**good, **change})
    assert status == 400
    assert said in reply["error"]
    assert asked(address, good)[0] == 200  # it goes on


def test_what_is_not_read(address: str) -> None:
    assert asked(address, {}, kind="text/plain")[0] == 415
    for length in (str(2**40), "-1", "many"):
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=120)
        connection.putrequest("POST", "/")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", length)
        connection.endheaders()  # and no body: the server does not wait for one
        assert connection.getresponse().status == 413
        connection.close()


def test_the_script_serves(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, str(SCRIPT), "tiny", "0"], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        assert run.stdout is not None
        line = run.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", line)
        status, reply = asked(line, {"question": ITEM.question, "audio": clip()})
        assert (status, reply["answer"]) == (200, "low")
    finally:
        run.terminate()
        run.wait(timeout=60)
