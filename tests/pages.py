"""A page of HTML as tests look at it: parsed, and opened in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any


class ParsedPage(HTMLParser):
    """Every start tag of a page, its text outside script and style, and each script's content."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.inside = ""
        self.feed(page)
        self.text = re.sub(r"[ \n]+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else ""
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif not self.inside:
            self.text += data


@dataclass
class OpenedPage:
    """A page in a browser, and what happened in it that should not."""

    view: Any
    url: str
    ready: str = ".item"
    trouble: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.view.on("console", lambda message: self.trouble.append(message.text))
        self.view.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.view.on("request", lambda request: self.requests.append(request.url))
        self.view.on("dialog", self.refuse)
        self.view.goto(self.url)
        self.view.wait_for_selector(self.ready)

    def refuse(self, dialog: Any) -> None:
        self.trouble.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def assert_harmless(self) -> None:
        """Nothing from the data acted, and nothing was loaded but the page."""
        assert self.view.evaluate("window.acted") is None
        assert self.trouble == []
        assert [url for url in self.requests if not url.startswith("data:")] == [self.url]

    def assert_no_wider_than_the_window(self) -> None:
        root = "document.documentElement"
        assert self.view.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")

    def count(self) -> str:
        return str(self.view.text_content("#count"))

    def choose(self, outcome: str) -> None:
        self.view.check(f"input[name=outcome][value='{outcome}']", force=True)

    def focused(self) -> str:
        heading = "document.activeElement.closest('.item')?.querySelector('h3').innerText"
        return str(self.view.evaluate(heading))


Open = Callable[..., OpenedPage]
"""Writes a page to a file and opens it; options are the window's."""
