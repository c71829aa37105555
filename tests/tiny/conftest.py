"""The embedded model, loaded once; ``training/`` on the path for the recipe's tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest

from mata_audio.tiny import MODEL_PATH

TRAINING = Path(__file__).parents[2] / "training"


@pytest.fixture(scope="session")
def tiny_processor() -> Any:
    """The packaged processor, loaded through the ordinary auto class."""
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(MODEL_PATH, local_files_only=True)


@pytest.fixture(scope="session")
def tiny_model() -> Any:
    """The packaged model, loaded through the ordinary auto class."""
    from transformers import AutoModelForMultimodalLM

    return AutoModelForMultimodalLM.from_pretrained(MODEL_PATH, local_files_only=True).eval()


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the modules of ``training/`` importable."""
    if not TRAINING.is_dir():
        pytest.skip("the training scripts are in the repository, not in the package")
    monkeypatch.setattr(sys, "path", [str(TRAINING), *sys.path])
