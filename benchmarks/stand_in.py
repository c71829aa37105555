"""Models of real classes and sizes with random weights, saved as a folder of a hub holds them.

Nothing but the weights and the tokenizer differs from the real ones: configs, processors, feature
extractors and files are theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from mata_audio.doctor.small_models import chatml

Made = tuple[Callable[[], Any], Any]

_SMALL_SOUND = {
    "d_model": 64,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 128,
}
_SMALL_TEXT = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 4096,
}


def tokenizer(texts: Sequence[str]) -> Any:
    """Return a byte-level tokenizer trained on some texts, with Qwen's special tokens."""
    base = Tokenizer(models.BPE())
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    base.train_from_iterator(texts, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=base, padding_side="left", **chatml.TOKENS
    )


def processor(words: Any) -> Any:
    """Return Qwen2-Audio's processor around a tokenizer, with the real feature extractor."""
    sound = transformers.WhisperFeatureExtractor(feature_size=128)
    return transformers.Qwen2AudioProcessor(sound, words, chat_template=chatml.CHAT_TEMPLATE)


def qwen2_audio_7b(words: Any, small: bool) -> Made:
    """Return what makes a Qwen2-Audio-7B, or a small one, and its processor."""
    text = {"intermediate_size": 11008, "vocab_size": 156032}
    config = transformers.Qwen2AudioConfig(
        audio_config=_SMALL_SOUND if small else {},
        text_config={**(_SMALL_TEXT if small else text), **_ends(words)},
        audio_token_index=words.convert_tokens_to_ids("<|AUDIO|>"),
    )
    config.pad_token_id = words.pad_token_id
    make = transformers.Qwen2AudioForConditionalGeneration
    return (lambda: make(config)), processor(words)


def qwen2_5_omni_7b(words: Any, small: bool) -> Made:
    """Return what makes a Qwen2.5-Omni-7B without its voice, or a small one, and its processor."""
    ids = {
        f"{config_name}_token_id": words.convert_tokens_to_ids(token)
        for config_name, token in {
            "audio": "<|AUDIO|>",
            "image": "<|IMAGE|>",
            "video": "<|VIDEO|>",
            "audio_start": "<|audio_bos|>",
            "audio_end": "<|audio_eos|>",
            "vision_start": "<|vision_bos|>",
            "vision_end": "<|vision_eos|>",
            "pad": "<|endoftext|>",
            "user": "<|im_start|>",
        }.items()
    }
    rope = {"rope_type": "default", "rope_theta": 1e6}
    sections = [8, 12, 12] if small else [16, 24, 24]
    text = {**(_SMALL_TEXT if small else {}), **_ends(words)}
    thinker = transformers.Qwen2_5OmniThinkerConfig(
        audio_config={**_SMALL_SOUND, "output_dim": 256} if small else {},
        vision_config={"depth": 1, "hidden_size": 64, "num_heads": 2, "out_hidden_size": 256}
        if small
        else {"hidden_size": 1280},
        text_config={**text, "rope_parameters": {**rope, "mrope_section": sections}},
        **ids,
    )
    config = transformers.Qwen2_5OmniConfig(
        thinker_config=thinker.to_dict(), enable_audio_output=False
    )
    make = transformers.Qwen2_5OmniForConditionalGeneration
    return (lambda: make(config)), transformers.Qwen2_5OmniProcessor(
        transformers.Qwen2VLImageProcessor(),
        transformers.Qwen2VLVideoProcessor(),
        transformers.WhisperFeatureExtractor(feature_size=128),
        words,
        chat_template=chatml.CHAT_TEMPLATE,
    )


STAND_INS: dict[str, Callable[[Any, bool], Made]] = {
    "Qwen2-Audio-7B": qwen2_audio_7b,
    "Qwen2.5-Omni-7B": qwen2_5_omni_7b,
}


def save(name: str, folder: Path, texts: Sequence[str], device: str, small: bool) -> int:
    """Save a model with random weights, and its processor; return the number of parameters.

    Args:
        name: one of :data:`STAND_INS`.
        folder: is made.
        texts: what the tokenizer is trained on.
        device: where the weights are drawn, which is slow on a CPU.
        small: a few layers in float32 instead of the real size in bfloat16.
    """
    make, reader = STAND_INS[name](tokenizer(texts), small)
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if small else torch.bfloat16)
    try:
        with torch.device(device):
            model = make()
    finally:
        torch.set_default_dtype(before)
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=model.config.get_text_config().eos_token_id,
        pad_token_id=model.config.get_text_config().pad_token_id,
    )
    model.save_pretrained(folder)
    reader.save_pretrained(folder)
    return int(sum(p.numel() for p in model.parameters()))


def _ends(words: Any) -> dict[str, int]:
    return {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id}
