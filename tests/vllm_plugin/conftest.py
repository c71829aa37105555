"""Engines of vLLM in processes of their own, and the same questions to Transformers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from mata_audio.methods import MATA
from mata_audio.methods.method import Method
from mata_audio.models.loading import Loaded, load
from mata_audio.serving.request import method_of
from mata_audio.settings.from_words import fields_of
from vllm_plugin.asking import ENGINE, ENVIRONMENT, Question
from vllm_plugin.engine_process import clip
from vllm_plugin.folders import write_model


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a family's model, written once."""
    known: dict[str, Path] = {}

    def of(family: str) -> Path:
        if family not in known:
            known[family] = write_model(family, tmp_path_factory.mktemp(family))
        return known[family]

    return of


@pytest.fixture
def engine(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Return what asks an engine: model folder, lists of questions, then vLLM's arguments."""

    def ask(
        model: Path,
        *together: Sequence[Question],
        steer: str | None = "off",
        variables: dict[str, str] | None = None,
        **arguments: Any,
    ) -> dict[str, Any]:
        job, result = tmp_path / "job.json", tmp_path / "result.json"
        asked = [[asdict(own) for own in questions] for questions in together]
        job.write_text(
            json.dumps(
                {
                    "model": str(model),
                    "engine": {**ENGINE, **arguments},
                    "together": asked,
                    "receipt": steer is not None,
                }
            )
        )
        environment = {**os.environ, **ENVIRONMENT, **(variables or {})}
        environment.pop("MATA_SETTING", None)
        if steer is not None:
            environment["MATA_SETTING"] = steer
        script = Path(__file__).with_name("engine_process.py")
        ran = subprocess.run(
            [sys.executable, script, job, result],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.exists(), ran.stderr[-4000:]
        found: dict[str, Any] = json.loads(result.read_text())
        assert "refused" not in found, found["refused"] + ran.stderr[-4000:]
        return found

    return ask


class TransformersAnswers:
    """Answers questions in Transformers, each by itself, steered by this package."""

    def __init__(self) -> None:
        self._loaded: dict[Path, Loaded] = {}

    def __call__(self, model: Path, asked: Question) -> dict[str, Any]:
        """Return ``ids``, ``tokens`` and their ``logprobs``."""
        loaded = self._model(model)
        sounds = [clip(*which) for which in asked.clips]
        more = {"audio": sounds, "sampling_rate": 16_000} if sounds else {}
        read = loaded.processor if sounds else loaded.processor.tokenizer
        inputs = read(text=asked.text, return_tensors="pt", **more)
        given = None if asked.setting is None else fields_of(asked.setting, "test")
        method = None if given is None else method_of(given, MATA())
        steered = nullcontext() if method is None or not sounds else self._steered(method, loaded)
        with steered, torch.no_grad():
            made = loaded.model.generate(
                **inputs,
                max_new_tokens=asked.tokens,
                min_new_tokens=asked.tokens,
                do_sample=False,
                return_dict_in_generate=True,
                output_logits=True,
            )
        width = inputs["input_ids"].shape[1]
        tokens = made.sequences[0, width:].tolist()
        logprobs = [
            float(logits[0].log_softmax(-1)[token])
            for logits, token in zip(made.logits, tokens, strict=True)
        ]
        return {"ids": inputs["input_ids"][0].tolist(), "tokens": tokens, "logprobs": logprobs}

    def processor(self, model: Path) -> Any:
        """Return a model's processor."""
        return self._model(model).processor

    def _steered(self, method: Method, loaded: Loaded) -> Any:
        return method(loaded.model, tokenizer=loaded.processor.tokenizer)

    def _model(self, model: Path) -> Loaded:
        if model not in self._loaded:
            self._loaded[model] = load(str(model), dtype="float32", device="cpu")
        return self._loaded[model]


@pytest.fixture(scope="session")
def transformers_answers() -> TransformersAnswers:
    """Return what answers questions in Transformers."""
    return TransformersAnswers()
