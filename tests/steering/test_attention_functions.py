"""Attention functions of users: refused until someone vouches that they are plain softmax."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

import mata_audio
from checks import QUESTIONS, SETTING, generate_exactly, using_backend
from mata_audio import MATA, UnsupportedModelError
from mata_audio.steering import backends
from subject import Subject


def plain(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
    return sdpa_attention_forward(*args, **kwargs)


def squared(module: Any, query: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, None]:
    output, _ = sdpa_attention_forward(module, query * query.abs(), *args, **kwargs)
    return output, None


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two functions of a user, and nothing vouched for."""
    monkeypatch.setattr(backends, "_registered", set())
    before = AttentionInterface._global_mapping.copy()
    masks = AttentionMaskInterface._global_mapping.copy()
    for name, function in (("users_plain", plain), ("users_squared", squared)):
        AttentionInterface.register(name, function)
        AttentionMaskInterface.register(name, sdpa_mask)
    yield
    AttentionInterface._global_mapping = before
    AttentionMaskInterface._global_mapping = masks


@pytest.mark.parametrize("name", ["users_plain", "users_squared"])
def test_unknown_mathematics_are_refused(subject: Subject, name: str) -> None:
    with using_backend(subject.model, name):
        with pytest.raises(UnsupportedModelError, match=f"register_attention.'{name}'"):
            MATA(**SETTING).attach(subject.model)
        assert mata_audio.attachment_of(subject.model) is None


def test_a_function_that_is_chosen_inside_the_block(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    with torch.no_grad(), MATA(**SETTING)(subject.model):
        subject.model(**inputs)
        with (
            using_backend(subject.model, "users_squared"),
            pytest.raises(UnsupportedModelError, match="what it computes is unknown"),
        ):
            subject.model(**inputs)
        subject.model(**inputs)


def test_a_known_name_with_another_function(subject: Subject) -> None:
    AttentionInterface.register("sdpa", squared)
    with pytest.raises(UnsupportedModelError, match="'sdpa'"):
        MATA(**SETTING).attach(subject.model)


@pytest.mark.parametrize("setting", [SETTING, {**SETTING, "formula": "add"}])
def test_a_vouched_function_is_exact(subject: Subject, setting: dict[str, Any]) -> None:
    mata_audio.register_attention("users_plain")
    with using_backend(subject.model, "users_plain"):
        generate_exactly(subject, subject.inputs(QUESTIONS), setting)
