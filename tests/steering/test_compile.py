"""torch.compile with the intervention on, attached before or after compiling."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import CompileConfig

from checks import QUESTIONS, SETTING, assert_close, generate_exactly, greedy
from mata_audio import MATA
from subject import Subject

# Its masks ask a newer PyTorch whether it is exporting.
pytestmark = pytest.mark.skipif(
    not hasattr(torch.compiler, "is_exporting"),
    reason=f"Transformers cannot be compiled with PyTorch {torch.__version__}",
)

BACKEND = (
    "aot_eager"  # traces and functionalises as inductor does, without its slow code generation
)


@pytest.fixture(autouse=True)
def fresh_compiler() -> Any:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def compiling(backend: str) -> dict[str, Any]:
    """Arguments with which ``generate`` compiles its decoding step, on the CPU too."""
    config = CompileConfig(fullgraph=False, backend=backend, mode=None)
    config._compile_all_devices = True
    return {"cache_implementation": "static", "compile_config": config}


OTHER = {"alpha": -0.5, "layers": [0, 3], "formula": "absolute", "heads": [1]}


@pytest.mark.parametrize(
    ("family", "settings"),
    [("qwen2_audio", [None, SETTING, OTHER, None]), ("omni_thinker", [None, SETTING])],
)
def test_forward(
    family: str, settings: list[dict[str, Any] | None], request: pytest.FixtureRequest
) -> None:
    """Unsteered, steered, another setting, unsteered: each equals the model without compiling."""
    subject = request.getfixturevalue(family)
    model, inputs = subject.model, subject.inputs(QUESTIONS)
    compiled = torch.compile(model, backend=BACKEND)
    seen: list[torch.Tensor] = []
    with torch.no_grad():
        for setting in settings:
            if setting is None:
                expected, got = model(**inputs).logits, compiled(**inputs).logits
            else:
                with MATA(**setting)(model) as applied:
                    expected = model(**inputs).logits
                    got = compiled(**inputs).logits
                    assert torch.equal(got, compiled(**inputs).logits)
                assert applied.receipt.forward_passes == 3
                assert applied.receipt.active_rows == 3 * 2
            assert_close(got, expected)
            assert all((got - other).abs().max() > 1e-3 for other in seen[1:])
            seen.append(got)


def test_a_compiled_model_can_be_steered(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS)
    compiled = torch.compile(qwen2_audio.model, backend=BACKEND)
    generate_exactly(qwen2_audio, inputs, SETTING, model=compiled)


@pytest.mark.parametrize(
    ("family", "formula"), [("qwen2_audio", "add"), ("omni_thinker", "multiply")]
)
def test_generate_compiles_decoding_with_a_static_cache(
    family: str, formula: str, request: pytest.FixtureRequest
) -> None:
    """As generate() does by default on a GPU; the whole decoding step is one graph."""
    subject, setting = request.getfixturevalue(family), {**SETTING, "formula": formula}
    inputs = subject.inputs(QUESTIONS)
    torch._dynamo.utils.counters.clear()
    generate_exactly(subject, inputs, setting, **compiling(BACKEND))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 1


def test_a_step_compiled_earlier_is_not_used(qwen2_audio: Subject) -> None:
    """generate() keeps its compiled step on the model; a copied model even has another model's."""
    options = compiling("eager")
    inputs = qwen2_audio.inputs(QUESTIONS)
    model = copy.deepcopy(qwen2_audio.model)
    plain = greedy(qwen2_audio, **options)
    unsteered = torch.stack(model.generate(**inputs, **plain).logits)
    for twin in (model, copy.deepcopy(model)):
        generate_exactly(replace(qwen2_audio, model=twin), inputs, SETTING, **options)
        assert torch.equal(torch.stack(twin.generate(**inputs, **plain).logits), unsteered)


def test_inductor(qwen2_audio: Subject) -> None:
    """The default backend, once."""
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    compiled = torch.compile(qwen2_audio.model)
    with torch.no_grad(), MATA(**SETTING)(qwen2_audio.model):
        assert_close(compiled(**inputs).logits, qwen2_audio.model(**inputs).logits)
