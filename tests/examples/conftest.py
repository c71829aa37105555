"""The scripts of ``examples/``; what they register is removed afterwards."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mata_audio.evaluation.tasks import TASKS
from mata_audio.methods import METHODS
from mata_audio.steering.formulas import FORMULAS

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example() -> Iterator[Callable[[str], dict[str, Any]]]:
    """Run a script without its ``main``, and return its names."""
    with ExitStack() as stack:
        for registry in (FORMULAS, METHODS, TASKS):
            stack.enter_context(mock.patch.dict(registry))
        yield lambda name: runpy.run_path(str(EXAMPLES / f"{name}.py"))
