"""What tests do with a page that has the listening view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from heard_answers import as_script

from pages import OpenedPage


@dataclass
class Viewed:
    """A page with the view, and what tests do with it."""

    page: OpenedPage

    @property
    def view(self) -> Any:
        return self.page.view

    @property
    def events(self) -> list[list[Any]]:
        """What the host was told so far."""
        return list(self.view.evaluate("window.events"))

    @property
    def time(self) -> float:
        return float(self.view.evaluate("document.querySelector('audio').currentTime"))

    @property
    def playing(self) -> bool:
        return not self.view.evaluate("document.querySelector('audio').paused")

    def update(self, data: dict[str, Any]) -> None:
        self.view.evaluate(f"window.view.update({as_script(data)})")

    def word(self, answer: int, word: int) -> Any:
        return self.view.locator(f"[data-answer='{answer}'][data-word='{word}']")

    def pressed(self) -> list[str]:
        """Words that are chosen."""
        return list(self.view.locator(".lv-word[aria-pressed=true]").all_inner_texts())

    def text(self, selector: str) -> str:
        return " ".join(str(self.view.inner_text(selector)).split())

    def at(self, share: float, lane: str = ".lv-attention") -> tuple[float, float]:
        """Where on the screen a share of the timeline is."""
        self.view.locator(".lv-track").scroll_into_view_if_needed()
        box = self.view.locator(f".lv-track {lane}").bounding_box()
        return box["x"] + share * box["width"], box["y"] + box["height"] / 2

    def cell(
        self, layer: int, head: int, layers: int, heads: int, of: int = 0
    ) -> tuple[float, float]:
        """Where a cell of a map is; -1 for the numbers beside it."""
        cells = self.view.locator(".lv-cells").nth(of)
        cells.scroll_into_view_if_needed()
        box = cells.bounding_box()
        x = box["x"] + (head + 0.5) * box["width"] / heads if head >= 0 else box["x"] - 14
        y = box["y"] + (layer + 0.5) * box["height"] / layers
        return x, y if layer >= 0 else box["y"] + box["height"] + 8

    def wait(self, condition: str) -> None:
        """Wait for a condition; Playwright's own way evaluates text, which the policy forbids."""
        for _ in range(200):
            if self.view.evaluate(condition):
                return
            self.view.wait_for_timeout(25)
        raise AssertionError(f"it never came: {condition}")


Show = Callable[..., Viewed]
"""Opens a page with the view; options are those of the page and of the window."""
