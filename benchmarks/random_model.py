"""The random model and prompt that the speed benchmarks share, and their common options."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import torch
import transformers
from torch import Tensor

from mata_audio.doctor.small_models.configs import ENCODER

AUDIO_TOKEN, TEXT_BEFORE, TEXT_AFTER = 1, 20, 60
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def options(doc: str | None, audio_tokens: int, rounds: int) -> argparse.ArgumentParser:
    """Parser with the options that all speed benchmarks take; ``doc`` gives the description."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0] if doc else None)
    parser.add_argument("--audio-tokens", type=int, default=audio_tokens)
    parser.add_argument("--batch", type=int, default=1, help="equal prompts")
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--width", type=int, default=1024, help="a multiple of 256")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--dtype", default="float32")
    return parser


def model_and_prompt(args: argparse.Namespace) -> tuple[Any, dict[str, Tensor]]:
    """Random model of the size that ``args`` gives, and a batch of one prompt for it."""
    transformers.logging.set_verbosity_error()
    dtype = getattr(torch, args.dtype)
    positions = {"max_source_positions": 2 * args.audio_tokens}
    model = random_qwen2_audio(args.layers, args.width, positions).to(DEVICE, dtype)
    inputs = {
        name: value.to(DEVICE).repeat_interleave(args.batch, dim=0)
        for name, value in _prompt(args.audio_tokens).items()
    }
    inputs["input_features"] = inputs["input_features"].to(dtype)
    return model, inputs


def heading(args: argparse.Namespace, inputs: dict[str, Tensor], detail: str = "") -> str:
    """One line that says what is measured; ``detail`` follows the model's size."""
    tokens = f"{inputs['input_ids'].shape[1]} prompt tokens ({args.audio_tokens} audio)"
    prompt = tokens if args.batch == 1 else f"{args.batch} prompts of {tokens}"
    machine = f"{args.dtype}, {DEVICE}, torch {torch.__version__}, {args.rounds} rounds"
    return f"{args.layers} layers x {args.width} wide{detail}, {prompt}, {machine}"


def random_qwen2_audio(
    layers: int,
    width: int,
    encoder: Mapping[str, int],
    vocabulary: int = 1000,
    audio_token: int = AUDIO_TOKEN,
    pad_token: int = 0,
) -> Any:
    """A random Qwen2-Audio with a decoder of the given size and a very small encoder.

    ``encoder`` holds values of the encoder's config; ``width`` is a multiple of 256.
    """
    torch.manual_seed(0)
    config = transformers.Qwen2AudioConfig(
        audio_config={**ENCODER, **encoder},
        text_config=transformers.Qwen2Config(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=width * 11 // 4,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            num_key_value_heads=width // 256,
            max_position_embeddings=65536,
            tie_word_embeddings=True,
        ),
        audio_token_index=audio_token,
    )
    config.pad_token_id = pad_token
    return transformers.Qwen2AudioForConditionalGeneration(config).eval()


def _prompt(audio_tokens: int) -> dict[str, Tensor]:
    """Text, audio, text; one sample."""
    text = torch.randint(5, 999, (1, TEXT_BEFORE + TEXT_AFTER))
    audio = torch.full((1, audio_tokens), AUDIO_TOKEN)
    ids = torch.cat([text[:, :TEXT_BEFORE], audio, text[:, TEXT_BEFORE:]], 1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "input_features": torch.randn(1, 16, 4 * audio_tokens),
        "feature_attention_mask": torch.ones(1, 4 * audio_tokens, dtype=torch.long),
    }
