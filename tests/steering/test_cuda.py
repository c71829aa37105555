"""Exactness on a CUDA device: kernels, half precision, compiled and offloaded caches."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CompileConfig
from transformers.utils import is_flash_attn_2_available

from checks import (
    QUESTIONS,
    SETTING,
    assert_close,
    each_setting,
    expected_logits,
    generate_exactly,
    greedy,
    new_tokens,
)
from mata_audio import MATA
from subject import Subject

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def on_device(subject: Subject, dtype: torch.dtype = torch.float32) -> Any:
    return copy.deepcopy(subject.model).to("cuda", dtype)


def moved(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.cuda() for name, value in inputs.items()}


@each_setting
@pytest.mark.parametrize("backend", ["sdpa", "eager", "flex_attention"])
def test_float32(subject: Subject, backend: str, setting: dict[str, Any]) -> None:
    model, inputs = on_device(subject), subject.inputs(QUESTIONS)
    whole = backend != "flex_attention"
    model.set_attn_implementation(backend if whole else {"text_config": backend})
    generate_exactly(subject, inputs, setting, model)


@each_setting
@pytest.mark.parametrize("implementation", ["static", "offloaded", "offloaded_static"])
def test_caches(subject: Subject, implementation: str, setting: dict[str, Any]) -> None:
    """A static cache makes generate() compile the decoding step."""
    model, inputs = on_device(subject), subject.inputs(QUESTIONS)
    generate_exactly(subject, inputs, setting, model, cache_implementation=implementation)


@each_setting
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_static_cache_compiled_when_asked(
    subject: Subject, mode: str, setting: dict[str, Any]
) -> None:
    """Unasked, it is not compiled: this failed in the only run on a GPU. The second uses graphs."""
    model, inputs = on_device(subject), subject.inputs(QUESTIONS)
    config = CompileConfig(fullgraph=False, mode=mode)
    how: dict[str, Any] = {"cache_implementation": "static", "compile_config": config}
    generate_exactly(subject, inputs, setting, model, **how)


@each_setting
@pytest.mark.parametrize(
    "backend",
    [
        "sdpa",
        "eager",
        pytest.param(
            "flash_attention_2",
            marks=pytest.mark.skipif(not is_flash_attn_2_available(), reason="needs flash-attn"),
        ),
    ],
)
def test_bfloat16(subject: Subject, backend: str, setting: dict[str, Any]) -> None:
    """The error is below the unmodified backend's own plus the distance from eager to SDPA."""
    half, inputs = on_device(subject, torch.bfloat16), subject.inputs(QUESTIONS[:2])
    first = greedy(subject, max_new_tokens=1)
    baselines = {}
    for name in {"sdpa", "eager", backend}:
        half.set_attn_implementation(name)
        baselines[name] = half.generate(**moved(inputs), **first).logits[0].float().cpu()
    half.set_attn_implementation(backend)
    with MATA(**setting)(half):
        steered = half.generate(**moved(inputs), **greedy(subject))
    truth = replace(subject, model=half.float().cpu())
    generated = new_tokens(inputs, steered).cpu()
    expected, baseline = expected_logits(truth, inputs, generated, **setting)
    spread = (baselines["sdpa"] - baselines["eager"]).abs().max()
    own = (baselines[backend] - baseline[:, 0]).abs().max()
    for step, logits in enumerate(steered.logits):
        error = (logits.float().cpu() - expected[:, step]).abs().max()
        print(f"{backend} step {step}: error {error:.4f}, own {own:.4f}, spread {spread:.4f}")
        assert error < own + spread


def test_device_map_auto(subject: Subject, tmp_path: Path) -> None:
    subject.model.save_pretrained(tmp_path)
    model = type(subject.model).from_pretrained(tmp_path, device_map="auto").eval()
    inputs = subject.inputs(QUESTIONS)
    output, _ = generate_exactly(subject, inputs, SETTING, model)
    with MATA(**SETTING)(model):
        from_cpu = model.generate(**inputs, **greedy(subject))
    assert_close(torch.stack(from_cpu.logits).cpu(), torch.stack(output.logits).cpu())


def test_compiled_forward(qwen2_audio: Subject) -> None:
    model, inputs = on_device(qwen2_audio), moved(qwen2_audio.inputs(QUESTIONS))
    compiled = torch.compile(model)
    with torch.no_grad(), MATA(**SETTING)(model):
        expected = model(**inputs).logits
        got = compiled(**inputs).logits
    assert_close(got.cpu(), expected.cpu())


def test_no_graph_is_left_on_the_device(qwen2_audio: Subject) -> None:
    """Attaching and detaching many times holds no memory."""
    model, inputs = on_device(qwen2_audio), moved(qwen2_audio.inputs(QUESTIONS))
    held = []
    for _ in range(4):
        with MATA(**SETTING)(model):
            model.generate(**inputs, max_new_tokens=3)
        held.append(torch.cuda.memory_allocated())
    assert held[1] == held[-1]
