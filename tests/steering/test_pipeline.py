"""Transformers' pipeline, called inside the block."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from mata_audio import MATA
from mata_audio.models.loading import load

STRONG = MATA(alpha=2.0, layers="3-7")


def chat(pitch: float) -> list[dict[str, Any]]:
    sound = np.sin(np.arange(16_000) / pitch).astype(np.float32) / 2
    question = {"type": "text", "text": "Which sound is this?"}
    return [{"role": "user", "content": [question, {"type": "audio", "audio": sound}]}]


def test_a_pipeline_is_steered_as_generate_is() -> None:
    loaded = load("tiny")
    pipe = transformers.pipeline("any-to-any", model=loaded.model, processor=loaded.processor)
    chats = [chat(3), chat(20)]
    for asked in (chats[0], chats):
        with STRONG(loaded.model) as applied:
            answers = pipe(text=asked, return_full_text=False)
        texts, receipts = [], []
        for own in chats if asked is chats else [asked]:
            inputs = loaded.processor.apply_chat_template(
                own,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
            with STRONG(loaded.model) as alone, torch.no_grad():
                output = loaded.model.generate(**inputs)
            new = output[0, inputs["input_ids"].shape[1] :]
            texts.append(loaded.processor.decode(new, skip_special_tokens=True))
            receipts.append(alone.receipt)
        found = [own[0] if isinstance(own, list) else own for own in answers]
        assert [own["generated_text"].strip() for own in found] == texts
        together = sum(receipts[1:], receipts[0])
        assert applied.receipt.active_rows == together.active_rows > len(texts)
        assert applied.receipt.audio_tokens == together.audio_tokens
        assert astuple(applied.receipt.listening) == pytest.approx(astuple(together.listening))
