"""A hub id without a network: every command says in a line what to do, and waits for nothing."""

from __future__ import annotations

import shlex
import threading
from pathlib import Path

import pytest
from huggingface_hub import constants
from running import Mata, error_line

MODEL = "Qwen/Qwen2-Audio-7B-Instruct"
COMMANDS = (
    f"ask {MODEL} What? --audio clip.wav",
    f"eval {MODEL} --task tiny --out out",
    f"profile {MODEL} --task tiny",
    f"sweep {MODEL} --task tiny --alphas 1 --out out",
    f"choose {MODEL} --task tiny --out out",
    f"study {MODEL} --task tiny --out out",
    f"doctor {MODEL}",
)
ADVICE = f"Where there is a network, run: hf download {MODEL} --local-dir FOLDER. Copy FOLDER here"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def check(mata: Mata, command: str, why: str, clip: Path) -> None:
    outcome = mata(*shlex.split(command.replace("clip.wav", str(clip))))
    assert outcome.code == 1
    line = error_line(outcome)
    assert line.startswith(f"mata: error: cannot read the configuration of {MODEL}: ")
    assert why in line
    assert ADVICE in line


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_server_that_hangs(
    command: str, hanging_name_server: list[threading.Thread], mata: Mata, clip: Path
) -> None:
    check(mata, command, "the hub cannot be reached (ConnectionError: no answer within", clip)
    assert hanging_name_server
    assert threading.main_thread() not in hanging_name_server


@pytest.mark.parametrize("command", COMMANDS)
def test_without_leave_to_use_the_network(command: str, mata: Mata, clip: Path) -> None:
    check(mata, command, "HF_HUB_OFFLINE forbids the network", clip)


@pytest.mark.parametrize(("command", "package"), [("serve", "fastapi"), ("web", "gradio")])
def test_pages_and_servers(command: str, package: str, mata: Mata, clip: Path) -> None:
    pytest.importorskip(package)
    check(mata, f"{command} {MODEL}", "HF_HUB_OFFLINE forbids the network", clip)


def test_what_is_published_is_shown_without_the_model(mata: Mata) -> None:
    outcome = mata("info", "Qwen/Qwen2.5-Omni-7B")
    assert outcome.code == 1
    rows = {line[:13].strip(): line[13:] for line in outcome.out.splitlines()}
    assert list(rows) == ["model", "published", "source", "evidence"]
    assert rows["published"] == "alpha 0.1, layers 10-20"
    assert rows["evidence"].startswith("the paper's figures: MMAU")
    assert "hf download Qwen/Qwen2.5-Omni-7B --local-dir FOLDER" in outcome.err
    scaled = mata("info", MODEL).out
    assert "published    alpha 0.1, layers 10-20 of 28, scaled to its depth\n" in scaled


def test_nothing_is_shown_of_other_models(mata: Mata) -> None:
    outcome = mata("info", "somebody/model")
    assert outcome.code == 1
    assert "hf download somebody/model --local-dir FOLDER" in error_line(outcome)


def test_a_word_that_is_no_hub_id_is_not_to_be_downloaded(mata: Mata) -> None:
    line = error_line(mata("info", "xylophone"))
    assert "A hub id looks like Qwen/Qwen2.5-Omni-7B" in line
    assert "hf download" not in line
