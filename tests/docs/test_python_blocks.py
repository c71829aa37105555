"""Every Python block of the documentation runs as it stands, or says why not and compiles."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from pages_of_docs import BLOCKS, Block, printed_by

from rounding import is_same

PYTHON = [block for block in BLOCKS if block.language == "python"]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python(block: Block, prepared: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    code = compile("\n" * (block.line - 1) + block.text, block.page, "exec")
    if block.key == "not run":
        assert len(block.value) > 20, "say why"
    else:
        capsys.readouterr()  # what was prepared may have printed
        exec(code, prepared)
        shown = printed_by(block)
        assert shown is None or is_same(capsys.readouterr().out, shown)


def test_what_is_shown_as_printed_follows_a_block_that_runs() -> None:
    for before, after in pairwise(BLOCKS):
        if after.key == "printed":
            assert (before.page, before.language) == (after.page, "python")
            assert before.key in {"", "needs"}
