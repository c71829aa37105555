"""``mata web`` as a process: what it says, where it listens, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mata_audio.cli.main import main

pytest.importorskip("gradio", reason="needs gradio: pip install 'mata-audio[web]'")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running ``mata web``, and its address; its temporary files lie in ``tmp_path``."""
    command = [sys.executable, "-m", "mata_audio", "web", "--max-new-tokens", "8"]
    own = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=own) as process:
        assert process.stderr is not None
        address = ""
        for line in process.stderr:
            if found := re.search(r"http://\S+", line):
                address = found[0]
                break
        yield process, address
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_listens_here_only_and_leaves_nothing_behind(
    web: tuple[subprocess.Popen[str], str], tmp_path: Path, number: signal.Signals
) -> None:
    process, address = web
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address) as answer:
        assert b"MATA: where the model listens" in answer.read()
    port = int(re.findall(r"\d+", address)[-1])
    listening = Path("/proc/net/tcp").read_text().split("\n")[1:]
    hosts = [line.split()[1] for line in listening if f":{port:04X} " in line and " 0A " in line]
    assert hosts == [f"0100007F:{port:04X}"]
    assert list(tmp_path.glob("mata-web-*"))
    process.send_signal(number)
    assert process.wait(timeout=30) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["web", "--port", str(port)]) == 2
    assert f"--port {port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--port", "0"], "--port must be between 1 and 65535"),
        (["--max-megabytes", "0"], "--max-megabytes must be 1 or more"),
        (["--settings", "none.json"], "none.json"),
        (["no-such-model"], "no-such-model"),
    ],
)
def test_wrong_options(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["web", *words]) != 0
    assert message in capsys.readouterr().err


def test_without_gradio(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["web"]) == 2
    assert "mata web needs gradio: pip install 'mata-audio[web]'" in capsys.readouterr().err
