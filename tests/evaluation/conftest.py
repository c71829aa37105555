"""A small benchmark, a run of the embedded model that several tests share, and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import Open, OpenedPage
from small_runs import ITEMS, SETTINGS

from mata_audio.evaluation import Results, evaluate
from paper_data import write_mmau

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = ["--disable-gpu", "--disable-quic"]


@pytest.fixture
def mmau(tmp_path: Path) -> Path:
    """A folder in MMAU's published layout with 12 questions that have answers."""
    return write_mmau(tmp_path / "MMAU", n=12)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """A finished run of the embedded model: its folder and its results. Do not write to it."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    results = evaluate("tiny", "tiny", folder, settings=SETTINGS, limit=ITEMS, batch_size=3)
    return folder, results


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not CHROMIUM:
        pytest.skip("needs a chromium or google-chrome program")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--disable-gpu", "--disable-quic"]
        )
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Open:
    """Write a page to ``tmp_path`` and open it in a browser."""

    def open_page(content: str, **options: Any) -> OpenedPage:
        file = tmp_path / "report.html"
        file.write_text(content, encoding="utf-8")
        view = browser.new_page(**options)
        request.addfinalizer(view.close)
        return OpenedPage(view, file.as_uri())

    return open_page
