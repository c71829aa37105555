"""What becomes of blocks, handles and steered models that are lost, copied, wrapped or printed."""

from __future__ import annotations

import copy
import gc
import inspect
import io
import pickle
import warnings
from typing import Any

import pytest
import torch

import mata_audio
import models
from checks import QUESTIONS, SETTING, assert_generated_exactly, greedy
from mata_audio import MATA, AlreadyAttachedError
from mata_audio.errors import UnusedBlockWarning
from mata_audio.families import locate
from subject import Subject
from traces import traces


def test_a_block_that_is_never_entered_warns(subject: Subject) -> None:
    mata = MATA(**SETTING)
    with pytest.warns(UnusedBlockWarning, match="never steered") as seen:
        mata(subject.model)
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with MATA(**SETTING)(subject.model):
            pass
        gc.collect()


def test_a_lost_handle_is_found(subject: Subject) -> None:
    before = traces(subject.model)
    assert mata_audio.attachment_of(subject.model) is None
    MATA(**SETTING).attach(subject.model)
    gc.collect()
    with pytest.raises(AlreadyAttachedError, match=r"attachment_of\(model\)\.detach\(\)"):
        MATA().attach(subject.model)
    found = mata_audio.attachment_of(subject.model)
    assert found is not None
    assert found.attached
    found.detach()
    assert not found.attached
    assert mata_audio.attachment_of(subject.model) is None
    assert traces(subject.model) == before


@pytest.mark.parametrize("alpha", [0.7, 0.0])
@pytest.mark.parametrize("part", ["whole", "decoder"])
def test_copies_are_refused(alpha: float, part: str) -> None:
    model: Any = models.qwen2_audio()
    copied = model if part == "whole" else model.model.language_model
    if part == "decoder" and not alpha:
        pytest.skip("nothing in the decoder is changed")
    with MATA(alpha=alpha, layers=[1], on_no_audio="ignore")(model):
        for attempt in (
            copy.deepcopy,
            pickle.dumps,
            lambda module: torch.save(module, io.BytesIO()),
        ):
            with pytest.raises(AlreadyAttachedError, match="leave its `with` block"):
                attempt(copied)
        torch.save(model.state_dict(), io.BytesIO())
    copy.deepcopy(copied)


@pytest.mark.parametrize("name", ["generate", "forward"])
def test_a_wrapper_that_came_later_survives(qwen2_audio: Subject, name: str) -> None:
    model: Any = qwen2_audio.model
    inputs, calls = qwen2_audio.inputs(QUESTIONS[:1]), []
    plain = model.generate(**inputs, **greedy(qwen2_audio))
    handle = MATA(**SETTING).attach(model)
    ours = getattr(model, name)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return ours(*args, **kwargs)

    wrapper.__signature__ = inspect.signature(ours)  # type: ignore[attr-defined]
    setattr(model, name, wrapper)
    try:
        steered = model.generate(**inputs, **greedy(qwen2_audio))
        handle.detach()
        assert getattr(model, name) is wrapper
        after = model.generate(**inputs, **greedy(qwen2_audio))
        with MATA(**SETTING)(model):
            again = model.generate(**inputs, **greedy(qwen2_audio))
    finally:
        delattr(model, name)
    assert len(calls) >= 3
    assert torch.equal(torch.stack(after.logits), torch.stack(plain.logits))
    for output in (steered, again):
        assert_generated_exactly(qwen2_audio, inputs, output, **SETTING)


def test_everything_can_be_printed(qwen2_audio: Subject) -> None:
    mata, model = MATA(**SETTING), qwen2_audio.model
    shown = [repr(mata), repr(mata_audio.MATA.for_model("Qwen/Qwen2.5-Omni-7B"))]
    block = mata(model)
    shown.append(repr(block))
    with block as applied:
        model.generate(**qwen2_audio.inputs(QUESTIONS[:1]), max_new_tokens=2)
        attention = model.model.language_model.layers[1].self_attn
        for thing in (applied, block, applied.receipt):
            shown.append(repr(thing))
        shown.append(repr(locate(model)))
        assert repr(attention.config).startswith("Qwen2Config {")
        assert "Qwen2Audio" in repr(model)
    shown.append(repr(applied))
    assert repr(applied).startswith("<Attachment detached: multiply, layers 1-2 of 4, ")
    for text in shown:
        assert "object at 0x" not in text
        assert len(text) < 400, text
