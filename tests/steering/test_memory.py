"""No score matrix of length x length is ever built."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mata_audio import MATA

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
    torch.manual_seed(0)
    config = transformers.Qwen2AudioConfig(
        audio_config=transformers.Qwen2AudioEncoderConfig(
            num_mel_bins=4,
            encoder_layers=1,
            encoder_attention_heads=1,
            encoder_ffn_dim=4,
            d_model=4,
            max_source_positions=2000,
        ),
        text_config=transformers.Qwen2Config(
            vocab_size=64,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=LENGTH + 8,
        ),
        audio_token_index=1,
    )
    return transformers.Qwen2AudioForConditionalGeneration(config).eval()


@pytest.fixture(scope="module")
def inputs() -> dict[str, torch.Tensor]:
    ids = torch.full((1, LENGTH), 7)
    ids[:, 100:1100] = 1
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "input_features": torch.zeros(1, 4, 4000),
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


def test_many_active_rows(model: Any, inputs: dict[str, torch.Tensor]) -> None:
    """Teacher-forced scoring of a long answer: rows x length scores, in chunks of bounded size."""
    with (
        torch.no_grad(),
        MATA(layers=[0, 1])(model, prompt_length=1200) as applied,
        LargestTensor() as steered,
    ):
        model(**inputs)
    assert applied.receipt.active_rows == LENGTH - 1200 + 1
    assert steered.elements <= 2**23 < 4 * LENGTH**2  # 4 heads


def test_every_row_of_the_prompt(model: Any, inputs: dict[str, torch.Tensor]) -> None:
    with (
        torch.no_grad(),
        MATA(layers=[0, 1], rows="all")(model) as applied,
        LargestTensor() as steered,
    ):
        model(**inputs)
    assert applied.receipt.active_rows == LENGTH
    assert steered.elements <= 2**23 < 4 * LENGTH**2  # 4 heads


def test_the_measure_sees_a_score_matrix(model: Any, inputs: dict[str, torch.Tensor]) -> None:
    model.set_attn_implementation("eager")
    try:
        with torch.no_grad(), LargestTensor() as eager:
            model(**inputs)
    finally:
        model.set_attn_implementation("sdpa")
    assert eager.elements >= 4 * LENGTH**2
