"""The packaged model: it loads in the ordinary way, hears, and is biased towards text."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from mata_audio import MATA
from mata_audio.tiny import MODEL_PATH, make_items

HELD_OUT_SEED = 77


@pytest.fixture
def answers(tiny_model: Any, tiny_processor: Any, asked: Any) -> Callable[..., list[str]]:
    """From questions, and a clip for each, to greedy answers."""

    def answer(questions: list[str], audio: list[np.ndarray]) -> list[str]:
        inputs = asked(questions, audio)
        with torch.inference_mode():
            sequences = tiny_model.generate(**inputs)
        new = sequences[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in tiny_processor.batch_decode(new, skip_special_tokens=True)]

    return answer


def test_folder_is_small_and_holds_no_pickle() -> None:
    files = [path for path in MODEL_PATH.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8 * 2**20
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".jinja", ".md"}


def test_loads_as_qwen2_audio(tiny_model: Any, tiny_processor: Any) -> None:
    assert type(tiny_model).__name__ == "Qwen2AudioForConditionalGeneration"
    assert type(tiny_processor).__name__ == "Qwen2AudioProcessor"
    assert tiny_model.config.text_config.num_hidden_layers == 12
    assert {parameter.dtype for parameter in tiny_model.parameters()} == {torch.float32}
    assert tiny_model.config.audio_token_id == tiny_processor.audio_token_id
    assert tiny_model.generation_config.eos_token_id == tiny_processor.tokenizer.eos_token_id


def test_recommended_setting_loads() -> None:
    setting = MATA.load(MODEL_PATH / "mata.json")
    assert setting.alpha > 0
    assert setting.layers
    assert set(setting.layers) <= set(range(12))


def test_card_gives_figures_with_intervals() -> None:
    card = (MODEL_PATH / "README.md").read_text(encoding="utf-8")
    for heading in ("## Data", "## Recipe", "## Figures", "## Limits"):
        assert heading in card
    figures = json.loads((MODEL_PATH / "figures.json").read_text(encoding="utf-8"))
    for tested in figures.values():
        contradicting = tested["caption contradicts"]
        assert contradicting["items"] >= 2_000
        assert contradicting["low"] <= contradicting["high"]
        shown = f"[{100 * contradicting['low']:+.1f}, {100 * contradicting['high']:+.1f}]"
        assert shown in card


def test_text_survives_the_tokenizer(tiny_processor: Any) -> None:
    tokenizer = tiny_processor.tokenizer
    ids = tokenizer("Two beeps, FALLING zebra?")["input_ids"]
    assert tokenizer.decode(ids) == "two beeps , falling <unk> ?"
    for task in {item.clip.task: item.task for item in make_items("test", 36)}.values():
        sentences = [*task.questions, *task.answers, *sum(task.captions.values(), ())]
        assert tokenizer.unk_token_id not in tokenizer(" ".join(sentences))["input_ids"]


def test_template_keeps_content_order_and_many_clips(tiny_processor: Any) -> None:
    content = [
        {"type": "audio"},
        {"type": "text", "text": "First?"},
        {"type": "audio"},
        {"type": "text", "text": "Second?"},
    ]
    messages = [{"role": "system", "content": "Listen."}, {"role": "user", "content": content}]
    prompt = tiny_processor.apply_chat_template(messages, tokenize=False)
    clip = "<|audio_bos|><|AUDIO|><|audio_eos|>"
    assert prompt == (
        "<|im_start|>system\nListen.<|im_end|>\n"
        f"<|im_start|>user\n{clip}\nFirst?\n{clip}\nSecond?\n<|im_end|>\n"
    )


@pytest.mark.parametrize("seconds", [0.2, 1.0, 5.0])
def test_any_length_and_unknown_words_are_answered(
    answers: Callable[..., list[str]], seconds: float
) -> None:
    audio = np.random.default_rng(0).normal(size=int(16_000 * seconds)).astype(np.float32) * 0.1
    (text,) = answers(["Zebra, IS the pitch Rising?"], [audio])
    assert text


def test_hears_and_is_text_biased(answers: Callable[..., list[str]]) -> None:
    items = make_items("test", 324, seed=HELD_OUT_SEED)
    right: dict[str, list[bool]] = defaultdict(list)
    for start in range(0, len(items), 108):
        chunk = items[start : start + 108]
        audio = [item.waveform() for item in chunk]
        given = answers([item.question for item in chunk], audio)
        for item, text in zip(chunk, given, strict=True):
            right[item.condition].append(text == item.answer)
    accuracy = {condition: np.mean(values) for condition, values in right.items()}
    assert accuracy["no caption"] > 0.7
    assert accuracy["caption agrees"] > 0.9
    assert accuracy["caption contradicts"] <= accuracy["no caption"] - 0.15
