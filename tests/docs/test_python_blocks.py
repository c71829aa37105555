"""Every Python block of the documentation runs as it stands, or says why not and compiles."""

from __future__ import annotations

from typing import Any

import pytest
from pages_of_docs import BLOCKS, Block

PYTHON = [block for block in BLOCKS if block.language == "python"]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python(block: Block, prepared: dict[str, Any]) -> None:
    code = compile("\n" * (block.line - 1) + block.text, block.page, "exec")
    if block.key == "not run":
        assert len(block.value) > 20, "say why"
    else:
        exec(code, prepared)
