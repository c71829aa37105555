"""LoRA in the decoder: a PEFT wrapper, and Granite Speech's own adapter."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers

from families.subjects import FamilySubject
from families.test_exactness_of_families import assert_generated_exactly
from mata_audio import MATA, AlreadyAttachedError, UnsupportedModelError
from mata_audio.doctor.small_models import small_model
from mata_audio.families import locate
from reference import Steering, double

peft = pytest.importorskip("peft")

LORA: Any = {"r": 4, "lora_alpha": 8, "target_modules": r".*self_attn\.(q_proj|v_proj|k_proj)"}


def randomised(model: Any) -> Any:
    """Randomise the adapters, which are initialised to zero."""
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.2)
    return model.eval()


def test_a_wrapped_model() -> None:
    small = small_model("voxtral")
    inputs = small.inputs(small.questions)
    with torch.no_grad():
        plain = small.model(**inputs).logits
    wrapped = randomised(peft.get_peft_model(small.model, peft.LoraConfig(**LORA)))
    base: Any = wrapped.get_base_model()
    located = locate(wrapped)
    assert located.listener is base
    with torch.no_grad():
        assert (wrapped(**inputs).logits - plain).abs().max() > 0.01
    subject = FamilySubject(replace(small, model=wrapped), wrapped, double(base))
    assert_generated_exactly(subject, inputs, Steering([1, 2]))
    assert_generated_exactly(subject, inputs, Steering([1, 2], formula="add"))
    with MATA(on_no_audio="ignore")(wrapped), pytest.raises(AlreadyAttachedError):
        MATA().attach(base)


def test_learned_prompts_are_refused() -> None:
    small = small_model("voxtral")
    config = peft.PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM")
    wrapped = peft.get_peft_model(small.model, config)
    with pytest.raises(UnsupportedModelError, match="learned tokens before the prompt"):
        MATA().attach(wrapped)


def test_granite_switches_its_own_adapter_on_for_audio() -> None:
    small = small_model("granite_speech")
    config = copy.deepcopy(small.model.config)
    config.has_lora_adapter = True
    torch.manual_seed(0)
    model = transformers.GraniteSpeechForConditionalGeneration(config).eval()
    model.load_state_dict(small.model.state_dict())
    model.add_adapter(peft.LoraConfig(**LORA))
    randomised(model)
    inputs = small.inputs(small.questions)
    subject = FamilySubject(replace(small, model=model), model, double(model))
    assert_generated_exactly(subject, inputs, Steering([1, 2]))
    with torch.no_grad():
        bare = small.model(**inputs).logits
        assert (model(**inputs).logits - bare).abs().max() > 0.001
