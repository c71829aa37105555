"""No score matrix of length x length is ever built."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from checks import using_backend
from mata_audio import MATA
from mata_audio.doctor.small_models.configs import DECODER, ENCODER, MELS
from mata_audio.doctor.small_models.small_model import built
from mata_audio.doctor.small_models.vocabulary import AUDIO

LENGTH = 4096


class LargestTensor(TorchDispatchMode):
    """Record the size of the largest tensor that any operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        output = function(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
        self.elements = max([self.elements, *sizes])
        return output


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    """One head of four numbers, so that hidden states are far smaller than a score matrix."""
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
    config = transformers.Qwen2AudioConfig(
        audio_config={**ENCODER, "max_source_positions": 2000},
        text_config={"model_type": "qwen2", **DECODER, **small},
        audio_token_index=AUDIO,
    )
    return built(transformers.Qwen2AudioForConditionalGeneration, config)


@pytest.fixture(scope="module")
def inputs() -> dict[str, torch.Tensor]:
    ids = torch.full((1, LENGTH), 7)
    ids[:, 100:1100] = AUDIO
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "input_features": torch.zeros(1, MELS, 4000),
        "feature_attention_mask": torch.ones(1, 4000, dtype=torch.long),
    }


@pytest.fixture(scope="module", autouse=True)
def _stock_attention_builds_none(model: Any, inputs: dict[str, torch.Tensor]) -> None:
    with torch.no_grad(), LargestTensor() as unmodified:
        model(**inputs)
    if unmodified.elements >= LENGTH**2:
        pytest.skip(f"SDPA of PyTorch {torch.__version__} builds a score matrix by itself")


@pytest.mark.parametrize("formula", ["multiply", "absolute"])
def test_generation(model: Any, inputs: dict[str, torch.Tensor], formula: str) -> None:
    with LargestTensor() as unmodified:
        model.generate(**inputs, max_new_tokens=2, min_new_tokens=2, do_sample=False)
    with MATA(layers=[0, 1], formula=formula)(model), LargestTensor() as steered:
        model.generate(**inputs, max_new_tokens=2, min_new_tokens=2, do_sample=False)
    assert steered.elements == unmodified.elements < LENGTH**2 / 16


@pytest.mark.parametrize(
    ("rows", "prompt_length", "active"),
    [("last", 1200, LENGTH - 1200 + 1), ("all", None, LENGTH)],
    ids=["a-long-answer", "every-row-of-the-prompt"],
)
def test_many_active_rows(
    model: Any, inputs: dict[str, torch.Tensor], rows: str, prompt_length: int | None, active: int
) -> None:
    """Also in teacher-forced scoring: rows x length scores, in chunks of bounded size."""
    mata = MATA(layers=[0, 1], rows=rows)
    with (
        torch.no_grad(),
        mata(model, prompt_length=prompt_length) as applied,
        LargestTensor() as steered,
    ):
        model(**inputs)
    assert applied.receipt.active_rows == active
    assert steered.elements <= 2**23 < 4 * LENGTH**2  # 4 heads


def test_the_measure_sees_a_score_matrix(model: Any, inputs: dict[str, torch.Tensor]) -> None:
    with using_backend(model, "eager"), torch.no_grad(), LargestTensor() as eager:
        model(**inputs)
    assert eager.elements >= 4 * LENGTH**2
