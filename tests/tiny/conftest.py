"""The embedded model, loaded once; ``training/`` on the path for the recipe's tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest

from mata_audio.tiny import MODEL_PATH

TRAINING = Path(__file__).parents[2] / "training"


@pytest.fixture(scope="session")
def tiny_processor() -> Any:
    """The packaged processor, loaded through the ordinary auto class."""
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(MODEL_PATH, local_files_only=True)


@pytest.fixture(scope="session")
def asked(tiny_processor: Any) -> Callable[[list[str], list[np.ndarray]], Any]:
    """From questions, and a clip for each, to the model's inputs."""

    def inputs(questions: list[str], audio: list[np.ndarray]) -> Any:
        prompts = [
            tiny_processor.apply_chat_template(
                [{"role": "user", "content": [{"type": "text", "text": text}, {"type": "audio"}]}],
                add_generation_prompt=True,
                tokenize=False,
            )
            for text in questions
        ]
        return tiny_processor(
            text=prompts, audio=audio, sampling_rate=16_000, padding=True, return_tensors="pt"
        )

    return inputs


@pytest.fixture(scope="session")
def tiny_model() -> Any:
    """The packaged model, loaded through the ordinary auto class."""
    from transformers import AutoModelForMultimodalLM

    return AutoModelForMultimodalLM.from_pretrained(MODEL_PATH, local_files_only=True).eval()


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the modules of ``training/`` importable."""
    monkeypatch.setattr(sys, "path", [str(TRAINING), *sys.path])
