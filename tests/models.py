"""Small random models of the real classes, with real processors, loaded as users load them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers.utils import is_torchvision_available

SAMPLING_RATE = 16_000
MELS = 16
CHUNK_SECONDS = 2
LAYERS, HEADS, KEY_HEADS, HIDDEN = 4, 4, 2, 64

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'audio' %}"
    "<|audio_bos|><|AUDIO|><|audio_eos|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

DECODER = {
    "hidden_size": HIDDEN,
    "intermediate_size": 128,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KEY_HEADS,
    "max_position_embeddings": 4096,
    "initializer_range": 0.08,  # scores of order one, so that the intervention has a visible effect
}


def tokenizer() -> transformers.PreTrainedTokenizerFast:
    """A byte-level tokenizer with Qwen's special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    base = Tokenizer(BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    base.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=base,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        extra_special_tokens={
            "im_start_token": "<|im_start|>",
            "audio_token": "<|AUDIO|>",
            "audio_bos_token": "<|audio_bos|>",
            "audio_eos_token": "<|audio_eos|>",
            "image_token": "<|IMAGE|>",
            "video_token": "<|VIDEO|>",
            "vision_bos_token": "<|vision_bos|>",
            "vision_eos_token": "<|vision_eos|>",
        },
        padding_side="left",
    )


def _feature_extractor() -> transformers.WhisperFeatureExtractor:
    return transformers.WhisperFeatureExtractor(feature_size=MELS, chunk_length=CHUNK_SECONDS)


def qwen2_audio_processor() -> transformers.Qwen2AudioProcessor:
    return transformers.Qwen2AudioProcessor(
        _feature_extractor(), tokenizer(), chat_template=CHAT_TEMPLATE
    )


def omni_processor() -> transformers.Qwen2_5OmniProcessor:
    """The real processor; without torchvision, which its video part needs, only audio and text."""
    parts = {
        "feature_extractor": _feature_extractor(),
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


def _special_ids(names: dict[str, str]) -> dict[str, int]:
    convert = tokenizer().convert_tokens_to_ids
    return {field: convert(token) for field, token in names.items()}


def qwen2_audio_config() -> transformers.Qwen2AudioConfig:
    ids = _special_ids({"pad_token_id": "<|endoftext|>", "eos_token_id": "<|im_end|>"})
    config = transformers.Qwen2AudioConfig(
        audio_config=transformers.Qwen2AudioEncoderConfig(
            num_mel_bins=MELS,
            encoder_layers=1,
            encoder_attention_heads=2,
            encoder_ffn_dim=32,
            d_model=32,
            max_source_positions=CHUNK_SECONDS * 50,
        ),
        text_config=transformers.Qwen2Config(
            vocab_size=len(tokenizer()), **DECODER, **ids, bos_token_id=None
        ),
        audio_token_index=tokenizer().convert_tokens_to_ids("<|AUDIO|>"),
    )
    config.pad_token_id = ids["pad_token_id"]
    return config


def omni_thinker_config() -> transformers.Qwen2_5OmniThinkerConfig:
    ids = _special_ids(
        {
            "audio_token_id": "<|AUDIO|>",
            "image_token_id": "<|IMAGE|>",
            "video_token_id": "<|VIDEO|>",
            "audio_start_token_id": "<|audio_bos|>",
            "audio_end_token_id": "<|audio_eos|>",
            "vision_start_token_id": "<|vision_bos|>",
            "vision_end_token_id": "<|vision_eos|>",
            "user_token_id": "u",
            "pad_token_id": "<|endoftext|>",
        }
    )
    return transformers.Qwen2_5OmniThinkerConfig(
        initializer_range=DECODER["initializer_range"],
        audio_config={
            "num_mel_bins": MELS,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "d_model": 32,
            "max_source_positions": CHUNK_SECONDS * 50,
            "n_window": 50,
            "output_dim": HIDDEN,
        },
        vision_config={
            "depth": 1,
            "hidden_size": 32,
            "num_heads": 2,
            "intermediate_size": 32,
            "out_hidden_size": HIDDEN,
        },
        text_config={
            "vocab_size": len(tokenizer()),
            **DECODER,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e4,
                "mrope_section": [2, 3, 3],
            },
        },
        **ids,
    )


def omni_config() -> transformers.Qwen2_5OmniConfig:
    """Thinker, talker and vocoder, all small."""
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
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
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
    return transformers.Qwen2_5OmniConfig(
        thinker_config=thinker.to_dict(), talker_config=talker, token2wav_config=vocoder
    )


def seeded(model_class: type, config: object, seed: int = 0) -> torch.nn.Module:
    """Build a random model from a fixed seed, ready for inference."""
    torch.manual_seed(seed)
    model = model_class(config).eval()
    if isinstance(model, transformers.GenerationMixin):
        model.generation_config.pad_token_id = tokenizer().pad_token_id
        model.generation_config.eos_token_id = tokenizer().eos_token_id
    return model


def save(model: torch.nn.Module, processor: object, folder: Path) -> Path:
    """Write a model folder like those that users have on disk."""
    model.save_pretrained(folder)
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
