"""A notebook as a page of the site: its text, its code, and what it shows."""

from __future__ import annotations

import json
from typing import Any


def page(notebook: str) -> str:
    """Return a notebook's file as Markdown."""
    parts: list[str] = []
    for cell in json.loads(notebook)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            parts += [_fenced("python", source), *map(_shown, cell["outputs"])]
        else:
            parts.append(source)
    return "\n\n".join(parts) + "\n"


def _shown(output: dict[str, Any]) -> str:
    """Return what an output shows: HTML if it has any, as it has pictures and tables."""
    data = output.get("data", {})
    if "text/html" in data:
        # In one line: an empty one would end the HTML. The theme leaves tables with a class alone.
        html = " ".join("".join(data["text/html"]).split())
        return f'<div class="shown">{html.replace("<table>", "<table class>")}</div>'
    return _fenced("text", "".join(output.get("text") or data["text/plain"]))


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"
