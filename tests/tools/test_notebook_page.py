"""A notebook as a page of the site: everything in it, in its order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[2] / "examples" / "listen.ipynb"


def test_cells_and_outputs(tool: Any) -> None:
    shown = {"text/html": ["<table>\n", "\n<tr></tr></table>"], "text/plain": ["a table"]}
    plain = {"text/plain": ["'low'"]}
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["one\n", "two\n"]},
        {"output_type": "execute_result", "data": shown},
        {"output_type": "execute_result", "data": plain},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "\n", "Text."]},
        {"cell_type": "code", "source": ["x = 1\n", "x"], "outputs": outputs},
    ]
    assert tool.page(json.dumps({"cells": cells})) == (
        "# Title\n\nText.\n\n```python\nx = 1\nx\n```\n\n```text\none\ntwo\n```\n\n"
        "<div class=\"shown\"><table class> <tr></tr></table></div>\n\n```text\n'low'\n```\n"
    )


def test_ours(tool: Any) -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    page = tool.page(text)
    assert page.startswith("# ")
    for cell in json.loads(text)["cells"]:
        assert "".join(cell["source"]) in page
    assert page.count("<img ") == text.count("<img ") > 5
