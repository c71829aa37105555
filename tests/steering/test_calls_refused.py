"""Calls of a steered model that are refused before they run, and arguments in every form."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import DynamicCache, GenerationConfig
from transformers.cache_utils import Cache

from checks import assert_close
from mata_audio import MATA, MataError, UnsupportedModelError
from mata_audio.steering.scaled_keys import ScaledKeys
from subject import Subject

QUESTIONS = [("What is this?", [1.0]), ("Which of the two clips is longer, and why?", [0.5])]


def test_continuous_batching_is_refused_before_it_starts(qwen2_audio: Subject) -> None:
    model: Any = qwen2_audio.model
    before = vars(model).get("generate_batch")
    with (
        MATA(on_no_audio="ignore")(model) as applied,
        pytest.raises(UnsupportedModelError, match=r"call generate\(\)"),
    ):
        model.generate_batch([[1, 2, 3]])
    assert applied.receipt.forward_passes == applied.receipt.active_rows == 0
    assert vars(model).get("generate_batch") is before


def test_a_call_without_a_prompt_says_what_to_give(qwen2_audio: Subject) -> None:
    with (
        MATA(on_no_audio="ignore")(qwen2_audio.model),
        pytest.raises(MataError, match="inputs_embeds"),
    ):
        qwen2_audio.model()


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_generation_config_by_position(
    qwen2_audio: Subject, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a mask, generate() finds the padding by the config that it is given."""
    model: Any = qwen2_audio.model
    monkeypatch.setattr(model.generation_config, "pad_token_id", None)
    inputs = qwen2_audio.inputs(QUESTIONS, side)
    rest = {name: inputs[name] for name in ("input_features", "feature_attention_mask")}
    pad = int(inputs["input_ids"][inputs["attention_mask"] == 0][0])
    config = GenerationConfig(pad_token_id=pad, eos_token_id=255, max_new_tokens=3, do_sample=False)
    config.update(return_dict_in_generate=True, output_logits=True)
    logits = []
    for position, named in (
        ((), {"generation_config": config, "attention_mask": inputs["attention_mask"]}),
        ((config,), {}),
    ):
        with MATA(alpha=0.7, layers=[1, 2])(model):
            output = model.generate(inputs["input_ids"], *position, **named, **rest)
        logits.append(torch.stack(output.logits))
    assert_close(logits[0], logits[1])


@pytest.mark.parametrize(("largest", "scaled"), [(10.0, True), (6e4, False)])
def test_keys_that_would_overflow_are_not_scaled(largest: float, scaled: bool) -> None:
    cache: Cache = DynamicCache()
    key = torch.full((1, 2, 3, 4), largest, dtype=torch.float16)
    cache.update(key, key.clone(), 0)
    stored = cache.layers[0].keys
    gain = torch.tensor([0.0, 1000.0, 0.0]).expand(1, 2, 1, 3)
    keys = ScaledKeys(cache)
    keys.scale(0, stored, gain)
    assert (0 in keys) == scaled
    assert cache.layers[0].keys.isfinite().all()
    keys.restore()
    assert torch.equal(cache.layers[0].keys, key)
