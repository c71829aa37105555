"""The built site, opened as a file: its search works, and nothing is asked of a network."""

from __future__ import annotations

from typing import Any

import pytest
from pages_of_docs import ROOT

SITE = ROOT / "build" / "docs" / "site"


@pytest.mark.skipif(not (SITE / "index.html").exists(), reason="needs the site: make docs")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 420])
def test_site(browser: Any, width: int, scheme: str) -> None:
    view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked: list[str] = []
    wrong: list[str] = []
    view.on("request", lambda request: asked.append(request.url))
    view.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        for page in ("commands/eval.html", "reference/mata_audio.methods.html", "index.html"):
            view.goto((SITE / page).as_uri())
            assert view.evaluate("document.documentElement.scrollWidth") <= width
        view.keyboard.press("Control+k")
        view.get_by_placeholder("Search").last.fill("knockout")
        view.get_by_text("Choosing layers and alpha").last.wait_for()
        assert [address for address in asked if not address.startswith("file:")] == []
        assert len(asked) > 10
        assert wrong == []
    finally:
        view.close()
