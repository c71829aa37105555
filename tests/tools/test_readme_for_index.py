"""The README outside the repository: no link leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOWHERE = {"version": "1.2", "urls": {"Paper": "https://arxiv.org/abs/2509.18816"}}
PUBLIC = {"version": "1.2", "urls": {"Source": "https://example.org/mata"}}


@pytest.mark.parametrize(
    ("written", "public", "nowhere"),
    [
        (
            "[How](docs/a.md#part) it works",
            "[How](https://example.org/mata/blob/v1.2/docs/a.md#part) it works",
            "How it works",
        ),
        (
            "![A picture](docs/a.png)",
            "![A picture](https://example.org/mata/raw/v1.2/docs/a.png)",
            "A picture",
        ),
        (
            "[![x](a.svg)](./LICENSE), [`f(x)`](b.md)",
            "[![x](https://example.org/mata/raw/v1.2/a.svg)]"
            "(https://example.org/mata/blob/v1.2/LICENSE), "
            "[`f(x)`](https://example.org/mata/blob/v1.2/b.md)",
            "x, `f(x)`",
        ),
        (
            '<a href="b.md"><img alt="x" src="a.png"></a>',
            '<a href="https://example.org/mata/blob/v1.2/b.md">'
            '<img alt="x" src="https://example.org/mata/raw/v1.2/a.png"></a>',
            '<a><img alt="x"></a>',
        ),
    ],
)
def test_links_to_files(tool: Any, written: str, public: str, nowhere: str) -> None:
    assert tool.readme_for_index(written, PUBLIC) == public
    assert tool.readme_for_index(written, NOWHERE) == nowhere


@pytest.mark.parametrize(
    "text",
    [
        "[paper](https://arxiv.org/abs/2509.18816) ![badge](https://example.org/b.svg)",
        "[below](#install) [write](mailto:a@example.org) [too](//example.org)",
        "```\n[a](b.md)\n```",
        'items[0] (first), "src" and <img src="https://example.org/a.png">',
    ],
)
@pytest.mark.parametrize("project", [PUBLIC, NOWHERE])
def test_the_rest_stays(tool: Any, text: str, project: dict[str, Any]) -> None:
    assert tool.readme_for_index(text, project) == text


def test_links_of_this_readme(tool: Any) -> None:
    """Every file that it links to is there; what an index shows links to none of them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = tool.readme_for_index(text, PUBLIC)
    files = re.findall(r"https://example\.org/mata/(?:blob|raw)/v1\.2/([^)\"#]+)", shown)
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []
    without = tool.readme_for_index(text, NOWHERE)
    addresses = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"(?ms)^```.*?^```$", "", without))
    assert all(address.startswith(("https://", "#")) for address in addresses)
