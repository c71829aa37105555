"""Small random models of the real classes, with real processors, loaded as users load them."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from torch import Tensor
from transformers.utils import is_torchvision_available

from families.processing import whisper
from mata_audio.doctor.small_models import chatml, small_model
from mata_audio.doctor.small_models.chatml import CHAT_TEMPLATE
from mata_audio.doctor.small_models.configs import HIDDEN, ROPE
from mata_audio.doctor.small_models.small_model import built
from mata_audio.models.loading import Loaded
from mata_audio.models.placing import placed

SAMPLING_RATE = 16_000
CHUNK_SECONDS = 2


def tokenizer() -> transformers.PreTrainedTokenizerFast:
    """A byte-level tokenizer with Qwen's special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    base = Tokenizer(BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    base.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=base, padding_side="left", **chatml.TOKENS
    )


def qwen2_audio_processor() -> transformers.Qwen2AudioProcessor:
    return transformers.Qwen2AudioProcessor(
        whisper(CHUNK_SECONDS), tokenizer(), chat_template=CHAT_TEMPLATE
    )


def omni_processor() -> transformers.Qwen2_5OmniProcessor:
    """The real processor; without torchvision, which its video part needs, only audio and text."""
    parts = {
        "feature_extractor": whisper(CHUNK_SECONDS),
        "tokenizer": tokenizer(),
        "chat_template": CHAT_TEMPLATE,
    }
    if is_torchvision_available():
        return transformers.Qwen2_5OmniProcessor(
            transformers.Qwen2VLImageProcessor(), transformers.Qwen2VLVideoProcessor(), **parts
        )
    check = "check_argument_for_proper_class"
    with mock.patch.object(transformers.Qwen2_5OmniProcessor, check, return_value=None):
        processor = transformers.Qwen2_5OmniProcessor(None, None, **parts)
    # Transformers 5.17 reads this from both, even if there is nothing to see.
    processor.image_processor = processor.video_processor = SimpleNamespace(merge_size=2)
    return processor


def _config(model_type: str, **tokens: str) -> Any:
    """The config of a family's small model, for :func:`tokenizer` and clips of two seconds.

    Args:
        model_type: the family.
        tokens: entries of the config, and the tokens whose ids they hold.
    """
    words = tokenizer()
    config = copy.deepcopy(small_model(model_type).model.config)
    config.audio_config.max_source_positions = CHUNK_SECONDS * 50
    ends = {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id}
    config.text_config.update({"vocab_size": len(words), "bos_token_id": None, **ends})
    config.pad_token_id = words.pad_token_id
    for field, token in tokens.items():
        setattr(config, field, words.convert_tokens_to_ids(token))
    return config


def omni_thinker_config() -> transformers.Qwen2_5OmniThinkerConfig:
    return _config(
        "qwen2_5_omni_thinker",
        audio_token_id="<|AUDIO|>",
        image_token_id="<|IMAGE|>",
        video_token_id="<|VIDEO|>",
        audio_start_token_id="<|audio_bos|>",
        audio_end_token_id="<|audio_eos|>",
        vision_start_token_id="<|vision_bos|>",
        vision_end_token_id="<|vision_eos|>",
        user_token_id="u",
    )


def qwen2_audio() -> Any:
    """A random Qwen2-Audio, always with the same weights."""
    config = _config("qwen2_audio", audio_token_id="<|AUDIO|>")
    return _answering(built(transformers.Qwen2AudioForConditionalGeneration, config))


def omni_thinker() -> Any:
    """A random thinker of Qwen2.5-Omni, always with the same weights."""
    model_class = transformers.Qwen2_5OmniThinkerForConditionalGeneration
    return _answering(built(model_class, omni_thinker_config()))


def omni() -> Any:
    """A random whole Qwen2.5-Omni: thinker, talker and vocoder, all small."""
    thinker = omni_thinker_config()
    talker = {
        "vocab_size": 64,
        "tts_codec_start_token_id": 60,
        "tts_codec_end_token_id": 61,
        "tts_codec_pad_token_id": 62,
        "tts_codec_mask_token_id": 63,
        "tts_text_start_token_id": 10,
        "tts_text_end_token_id": 11,
        "tts_text_pad_token_id": 12,
        "embedding_size": HIDDEN,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "rope_parameters": ROPE,
        "audio_token_index": thinker.audio_token_id,
        "image_token_index": thinker.image_token_id,
        "video_token_index": thinker.video_token_id,
    }
    vocoder = {
        "dit_config": {
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "ff_mult": 1,
            "emb_dim": 16,
            "head_dim": 16,
            "enc_dim": 16,
            "enc_emb_dim": 16,
            "num_embeds": 64,
            "mel_dim": 8,
            "enc_channels": [16, 16, 16, 16, 48],
            "enc_attention_channels": 8,
            "enc_se_channels": 8,
        },
        "bigvgan_config": {"mel_dim": 8, "upsample_initial_channel": 64},
    }
    config = transformers.Qwen2_5OmniConfig(
        thinker_config=thinker.to_dict(), talker_config=talker, token2wav_config=vocoder
    )
    model = built(transformers.Qwen2_5OmniForConditionalGeneration, config)
    _answering(model.thinker)
    return model


def _answering(model: Any) -> Any:
    """Let the model's answers end and be padded with the tokens of :func:`tokenizer`."""
    words = tokenizer()
    model.generation_config.update(pad_token_id=words.pad_token_id, eos_token_id=words.eos_token_id)
    return model


def save(model: torch.nn.Module, processor: Any, folder: Path) -> Path:
    """Write a model folder like those that users have on disk; the processor may be None."""
    model.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return folder


def clips(seconds: list[float], seed: int = 0) -> list[np.ndarray]:
    """Noise of the given lengths, float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    return [
        (0.1 * rng.standard_normal(round(length * SAMPLING_RATE))).astype(np.float32)
        for length in seconds
    ]


def prompt(text: str, clip_count: int = 1) -> str:
    """A user turn with ``clip_count`` clips before the text, in the chat format of the template."""
    audio = "<|audio_bos|><|AUDIO|><|audio_eos|>" * clip_count
    return f"<|im_start|>user\n{audio}{text}<|im_end|>\n<|im_start|>assistant\n"


def generated(loaded: Loaded, inputs: dict[str, Tensor], new_tokens: int) -> tuple[list[int], str]:
    """Return the tokens and the text that plain ``generate`` answers one prompt with."""
    model: Any = loaded.model
    words, defaults = loaded.processor.tokenizer, model.generation_config
    output = model.generate(
        **placed([inputs], model),
        do_sample=False,
        max_new_tokens=new_tokens,
        eos_token_id=defaults.eos_token_id or words.eos_token_id,
        pad_token_id=defaults.pad_token_id or words.pad_token_id,
    )
    new = output[0, inputs["input_ids"].shape[1] :].tolist()
    return new, words.decode(new, skip_special_tokens=True).strip()
