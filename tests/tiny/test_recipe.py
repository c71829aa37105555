"""The training code feeds the model exactly what the processor would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mata_audio.tiny import make_items

pytestmark = pytest.mark.usefixtures("recipe")


@pytest.fixture
def processed(asked: Any) -> tuple[list[Any], Any]:
    """36 items and the processor's inputs for them."""
    items = make_items("train", 36)
    return items, asked([item.question for item in items], [item.waveform() for item in items])


def test_features_equal_the_extractors(
    tiny_processor: Any, processed: tuple[list[Any], Any]
) -> None:
    from features import frame_counts, log_mel, pad

    items, inputs = processed
    extractor = tiny_processor.feature_extractor
    waveforms = [item.waveform() for item in items]
    features = log_mel(pad(waveforms, extractor.n_samples), extractor)
    torch.testing.assert_close(features, inputs["input_features"], atol=1e-4, rtol=0)
    counts = frame_counts(waveforms, extractor.hop_length, extractor.nb_max_frames)
    assert counts.tolist() == inputs["feature_attention_mask"].sum(-1).tolist()


def test_prompt_ids_equal_the_processors(
    tiny_processor: Any, processed: tuple[list[Any], Any]
) -> None:
    from batches import conversation, prompt_ids
    from features import audio_token_counts

    items, inputs = processed
    counts = audio_token_counts(inputs["feature_attention_mask"].sum(-1)).tolist()
    ids = prompt_ids(tiny_processor, [conversation(item.question) for item in items], counts)
    for row, mask, expected in zip(inputs["input_ids"], inputs["attention_mask"], ids, strict=True):
        assert row[mask.bool()].tolist() == expected


def test_batches_teach_the_answer_and_the_end(tiny_processor: Any) -> None:
    from batches import IGNORED, TextMix, text_batch

    clips = [item.clip for item in make_items("train", 36)]
    rng = np.random.default_rng(0)
    batch = text_batch(rng, tiny_processor, clips, [20] * 36, TextMix(0.5, 0.9, 1.0))
    for clip, ids, labels in zip(clips, batch["input_ids"], batch["labels"], strict=True):
        taught = labels[labels != IGNORED]
        assert tiny_processor.tokenizer.decode(taught) == f"{clip.answer} <|im_end|>"
        assert ids[-len(taught) :].tolist() == taught.tolist()


def test_captions_are_as_reliable_as_asked(tiny_processor: Any) -> None:
    from test_benchmark import stated

    from batches import TextMix, draw_prompt

    rng = np.random.default_rng(0)
    mix = TextMix(uncaptioned=0.25, reliable=0.8)
    said = []
    for item in make_items("train", 2_000):
        (message,) = draw_prompt(rng, item.clip, mix, varied=False)
        caption = stated(item.task, message["content"][0]["text"])
        said.append(None if not caption else caption == {item.answer})
    assert said.count(None) / len(said) == pytest.approx(0.25, abs=0.03)
    assert said.count(True) / (len(said) - said.count(None)) == pytest.approx(0.8, abs=0.03)


def test_comparison_counts_and_interval() -> None:
    from evaluate import compare

    before = np.array([True] * 50 + [False] * 50)
    after = before.copy()
    after[50:70] = True
    after[:5] = False
    figures = compare(before, after)
    assert (figures["gained"], figures["lost"], figures["items"]) == (20, 5, 100)
    assert figures["low"] < figures["steered"] - figures["baseline"] < figures["high"]
    assert figures["mcnemar_p"] == pytest.approx(0.00408, abs=1e-4)


def test_loss_is_the_models_own(tiny_model: Any, tiny_processor: Any) -> None:
    from batches import ClipPool, TextMix, text_batch
    from features import audio_token_counts, clip_features
    from stages import answer_loss, encode

    clips = [item.clip for item in make_items("train", 12)]
    features, frames = clip_features(clips, tiny_processor.feature_extractor, workers=1)
    states = encode(tiny_model, ClipPool(clips, features, frames))
    counts = audio_token_counts(frames).tolist()
    rng = np.random.default_rng(0)
    batch = text_batch(rng, tiny_processor, clips, counts, TextMix(0.5, 0.9, 1.0))
    mask = (torch.arange(features.shape[-1])[None] < frames[:, None]).long()
    with torch.inference_mode():
        own = tiny_model(**batch, input_features=features.float(), feature_attention_mask=mask).loss
        ours = answer_loss(tiny_model, states, batch)
    torch.testing.assert_close(ours, own, atol=1e-4, rtol=1e-4)
