"""Weights in 8 and 4 bits: attention is computed as usual, so MATA is as exact as ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from checks import QUESTIONS, SETTING
from mata_audio import MATA
from reference import Steering, full_score_attention
from subject import Subject


def torchao_int8() -> Any:
    quantization = pytest.importorskip("torchao.quantization")
    return transformers.TorchAoConfig(quantization.Int8WeightOnlyConfig())


def bitsandbytes(**options: Any) -> Any:
    pytest.importorskip("bitsandbytes")
    return transformers.BitsAndBytesConfig(**options)


CONFIGS = {
    "torchao-int8": torchao_int8,
    "bitsandbytes-8-bit": lambda: bitsandbytes(load_in_8bit=True),
    "bitsandbytes-4-bit": lambda: bitsandbytes(
        load_in_4bit=True, bnb_4bit_compute_dtype=torch.float32
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_quantised_weights(qwen2_audio: Subject, tmp_path: Path, name: str) -> None:
    """Against full score matrices of the same quantised model.

    One prompt, because some kernels round a sample differently next to others.
    """
    config = CONFIGS[name]()
    qwen2_audio.model.save_pretrained(tmp_path)
    model = type(qwen2_audio.model).from_pretrained(tmp_path, quantization_config=config).eval()
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    audio = inputs["input_ids"] == qwen2_audio.audio_token_id
    active = torch.zeros_like(audio)
    active[:, -1] = True
    with torch.no_grad():
        whole = qwen2_audio.model(**inputs).logits
        baseline = model(**inputs).logits
        with MATA(**SETTING)(model) as applied:
            steered = model(**inputs).logits
        again = model(**inputs).logits
        model.set_attn_implementation("eager")
        masks = {"active": active, "keys": audio, "real": torch.ones_like(audio)}
        with full_score_attention(model, Steering(**SETTING), **masks):
            expected = model(**inputs).logits
    assert (baseline - whole).abs().max() > 1e-3, "the weights were quantised"
    assert (steered - expected).abs().max() < 1e-5
    assert torch.equal(again, baseline)
    assert (steered - baseline)[:, -1].abs().max() > 1e-2
    assert applied.receipt.active_rows == 1
