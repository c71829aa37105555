"""The view in a page of its own, with and without a host that takes its events."""

from __future__ import annotations

from typing import Any

import pytest
from heard_answers import hosted, small
from viewed import Show, Viewed

from pages import Open


@pytest.fixture
def show(open_page: Open) -> Show:
    def show(
        data: dict[str, Any] | None = None,
        host: bool = True,
        options: str = "",
        page: str = "",
        **window: Any,
    ) -> Viewed:
        content = hosted(data or small(), host, options, page)
        window.setdefault("viewport", {"width": 1000, "height": 900})
        own = Viewed(open_page(content, ready=".lv-card", **window))
        own.view.set_default_timeout(5_000)
        return own

    return show
