"""Small models, built once per test run, a browser, and a dead network."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import hypothesis
import pytest
import torch
import transformers
from huggingface_hub import constants
from transformers.utils import is_torchvision_available

import models
from held import Held, hold
from mata_audio.doctor import overhead
from mata_audio.models import hub
from pages import Open, OpenedPage
from subject import Subject

torch.set_num_threads(1)  # these models are too small to gain from more
hypothesis.settings.register_profile("ci", deadline=None, max_examples=50)
hypothesis.settings.register_profile("many", deadline=None, max_examples=3_000)
hypothesis.settings.load_profile("ci")
transformers.logging.set_verbosity_error()

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="8 threads x 200 calls in test_soak")
    parser.addoption("--ray", action="store_true", help="every failure of a cluster, ten minutes")


@pytest.fixture(autouse=True)
def one_round_of_overhead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor's timings are only shown, so tests do not wait for five rounds of them."""
    monkeypatch.setattr(overhead, "ROUNDS", 1)


@pytest.fixture
def without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if matplotlib were not installed."""
    for module in [own for own in sys.modules if own.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.fixture
def hanging_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[threading.Thread]]:
    """A name server that never answers; the threads that wait for it."""
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def hang(*_: Any, **__: Any) -> None:
        threads.append(threading.current_thread())
        ended.wait(60)
        raise socket.gaierror("ended")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "HUB_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield threads
    ended.set()


@pytest.fixture(scope="session")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """What a session holds of the embedded model."""
    return hold(tmp_path_factory.mktemp("held"))


@pytest.fixture(scope="session")
def qwen2_audio_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved random Qwen2-Audio with its processor."""
    folder = tmp_path_factory.mktemp("qwen2-audio")
    return models.save(models.qwen2_audio(), models.qwen2_audio_processor(), folder)


@pytest.fixture(scope="session")
def omni_thinker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved random Qwen2.5-Omni thinker; with its processor if torchvision is installed."""
    folder = tmp_path_factory.mktemp("omni-thinker")
    processor = models.omni_processor() if is_torchvision_available() else None
    return models.save(models.omni_thinker(), processor, folder)


@pytest.fixture(scope="session")
def qwen2_audio(qwen2_audio_folder: Path) -> Subject:
    model = transformers.AutoModelForMultimodalLM.from_pretrained(qwen2_audio_folder)
    processor = transformers.AutoProcessor.from_pretrained(qwen2_audio_folder)
    return Subject(model.eval(), processor, model.config.audio_token_id)


@pytest.fixture(scope="session")
def omni_thinker(omni_thinker_folder: Path) -> Subject:
    model = transformers.Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(
        omni_thinker_folder
    )
    processor = models.omni_processor()
    return Subject(model.eval(), processor, model.config.audio_token_id)


@pytest.fixture(scope="session", params=["qwen2_audio", "omni_thinker"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each supported family in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs mata-audio[dev]")
    if not CHROMIUM:
        pytest.skip("needs a program chromium or google-chrome: CONTRIBUTING.md")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Open:
    """Write a page to ``tmp_path`` and open it in a browser."""

    def open_page(content: str, ready: str = ".item", **options: Any) -> OpenedPage:
        file = tmp_path / "report.html"
        file.write_text(content, encoding="utf-8")
        view = browser.new_page(**options)
        request.addfinalizer(view.close)
        return OpenedPage(view, file.as_uri(), ready)

    return open_page
