"""Find the decoder; refuse what cannot be steered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from packaging.version import Version
from torch import nn

from families.subjects import subject_of
from mata_audio import MATA, UnsupportedModelError
from mata_audio.doctor.small_models import MODEL_TYPES, VISION_MODEL_TYPES, small_model
from mata_audio.families import FAMILIES, UNSUPPORTED, locate
from mata_audio.families.versions import NEWEST


def test_every_family_has_a_small_model() -> None:
    hearing = {row.model_type for row in FAMILIES if "audio" in row.tokens}
    assert sorted(MODEL_TYPES) == sorted(hearing)
    assert sorted((*MODEL_TYPES, *VISION_MODEL_TYPES)) == sorted(row.model_type for row in FAMILIES)


def test_the_documentation_lists_every_family() -> None:
    text = (Path(__file__).parents[2] / "docs" / "families.md").read_text(encoding="utf-8")
    for row in FAMILIES:
        assert f"`{row.model_type}`" in text
        assert f"`{row.loader}`" in text
    assert all(f"`{model_type}`" in text for model_type in UNSUPPORTED)


def test_there_is_no_other_small_model() -> None:
    with pytest.raises(UnsupportedModelError, match=r"no small model of 'whisper'.*qwen2_audio"):
        small_model("whisper")


@pytest.mark.parametrize("row", FAMILIES, ids=lambda row: row.model_type)
def test_rows_name_what_transformers_has(row) -> None:
    config = type(subject_of(row.model_type).small.model).config_class
    loader = getattr(transformers, row.loader)
    assert config.model_type == row.model_type
    assert issubclass(loader, transformers.GenerationMixin)


@pytest.mark.parametrize("model_type", sorted(UNSUPPORTED))
def test_unsupported_families_say_why(model_type: str) -> None:
    assert model_type in transformers.CONFIG_MAPPING
    model = nn.Linear(1, 1)
    model.config = transformers.PreTrainedConfig()
    model.config.model_type = model_type
    with pytest.raises(UnsupportedModelError, match="cannot be supported, because no decoder"):
        locate(model)


@pytest.fixture
def attention() -> Any:
    """The class of attention in Voxtral's decoder."""
    return type(subject_of("voxtral").decoder.layers[0].self_attn)


def test_attention_outside_the_interface_is_refused(
    attention: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(sys.modules[attention.__module__], "ALL_ATTENTION_FUNCTIONS")
    with pytest.raises(UnsupportedModelError, match=r"LlamaAttention of .*computes attention by"):
        MATA().attach(subject_of("voxtral").model)


def one_slot_more(hidden_states: Any, *, position_embeddings: Any, **kwargs: Any) -> Any:
    """The arguments of attention with the first slot repeated at the end."""
    longer, *turned = (
        torch.cat([part, part[:, :1]], dim=1) for part in (hidden_states, *position_embeddings)
    )
    return {"hidden_states": longer, "position_embeddings": turned, **kwargs}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda **given: given | {"s_aux": torch.zeros(4)}, "attention of layer 0 uses s_aux"),
        (
            lambda **given: given | {"position_bias": torch.zeros(4)},
            "attention of layer 0 uses position_bias",
        ),
        (one_slot_more, "the model inserts tokens itself"),
    ],
    ids=["s_aux", "position_bias", "inserted-tokens"],
)
def test_other_changes_to_attention_are_refused(
    attention: Any, monkeypatch: pytest.MonkeyPatch, changed: Any, words: str
) -> None:
    subject, original = subject_of("voxtral"), attention.forward
    monkeypatch.setattr(
        attention, "forward", lambda module, **given: original(module, **changed(**given))
    )
    inputs = subject.small.inputs(subject.small.questions)
    with (
        MATA(layers=[0])(subject.model),
        pytest.raises(UnsupportedModelError, match=words),
    ):
        subject.model(**inputs)


def test_a_model_without_an_audio_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of("voxtral")
    monkeypatch.setattr(subject.model.config, "audio_token_id", None)
    with pytest.raises(UnsupportedModelError, match=r"has no config\.audio_token_id"):
        MATA().attach(subject.model)


def test_a_compiled_model_is_unwrapped() -> None:
    model = subject_of("voxtral").model
    assert locate(torch.compile(model)).listener is model


def test_a_pipeline(qwen2_audio: Any) -> None:
    """A model inside ``transformers.pipeline`` is steered as usual."""
    try:
        pipeline = transformers.pipeline(
            "any-to-any", model=qwen2_audio.model, processor=qwen2_audio.processor
        )
    except ImportError as error:
        assert Version(transformers.__version__) < Version(NEWEST)
        pytest.skip(f"this version's pipeline wants more: {' '.join(str(error).split())}")
    clip = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    content = [{"type": "audio", "audio": clip}, {"type": "text", "text": "What is this?"}]
    options = {"max_new_tokens": 4, "do_sample": False, "suppress_tokens": qwen2_audio.never}
    asked = {
        "text": [{"role": "user", "content": content}],
        "return_full_text": False,
        "generate_kwargs": options,
    }
    baseline = pipeline(**asked)[0]["generated_text"]
    with MATA(alpha=2.0, layers=[1, 2])(pipeline) as applied:
        steered = pipeline(**asked)[0]["generated_text"]
    with MATA(alpha=2.0, layers=[1, 2])(qwen2_audio.model):
        direct = pipeline(**asked)[0]["generated_text"]
    assert steered == direct != baseline
    assert applied.receipt.audio_tokens == (25,)
    assert pipeline(**asked)[0]["generated_text"] == baseline


@pytest.mark.parametrize("thing", ["Qwen/Qwen2-Audio-7B-Instruct", None, {"model": 1}])
def test_things_that_are_not_models(thing: Any) -> None:
    with pytest.raises(UnsupportedModelError, match=r"is not a model.*from_pretrained"):
        MATA()(thing).__enter__()
