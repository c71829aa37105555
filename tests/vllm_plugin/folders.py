"""Small random models with their processors in folders, as vLLM and Transformers both load them.

vLLM's kernels want heads of 32 numbers at least, and its Whisper encoders windows of 30 s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

import families.processing as processing
from mata_audio.doctor.small_models.configs import HEAD_DIM, HIDDEN
from mata_audio.doctor.small_models.registry import small_model
from mata_audio.doctor.small_models.small_model import built

WINDOW = 30
"""Seconds that a Whisper encoder hears."""

_WANTED: dict[str, dict[str, Any]] = {
    "vision_config": {"image_size": 64, "apply_vit_abs_pos_embed": True},
    "text_config": {"tie_word_embeddings": False},
}
"""What vLLM wants of Qwen3-Omni's config, and its published ones have."""

_HIDDEN_SIZES = ("hidden_size", "output_dim", "out_hidden_size")


def write_model(family: str, folder: Path) -> Path:
    """Write a family's small model, wide enough for vLLM, and its processor."""
    small = small_model(family).model
    config = type(small.config).from_dict(_wider(small.config.to_dict()))
    config.architectures = [type(small).__name__]
    built(type(small), config).save_pretrained(folder)
    _mend_names(folder / "model.safetensors")
    whisper = processing.whisper
    try:
        processing.whisper = lambda seconds=1: whisper(WINDOW)
        made = processing.PROCESSINGS[family][0]().processor
        made.chat_template = made.chat_template or "{{ messages }}"  # not used
        made.save_pretrained(folder)
    finally:
        processing.whisper = whisper
    return folder


def _wider(value: Any, name: str = "") -> Any:
    """Return a config's values with a decoder twice as wide, and an encoder that hears 30 s."""
    if isinstance(value, dict):
        return _WANTED.get(name, {}) | {key: _wider(own, key) for key, own in value.items()}
    if name in _HIDDEN_SIZES and value == HIDDEN:
        return 2 * HIDDEN
    if name == "head_dim" and value == HEAD_DIM:
        return 2 * HEAD_DIM
    if name == "tie_word_embeddings":  # Transformers and vLLM read it at different levels
        return False
    if name == "max_source_positions":
        return 50 * WINDOW
    return [2 * own for own in value] if name == "mrope_section" else value


def _mend_names(path: Path) -> None:
    """Undo a prefix that Transformers 5.19 writes twice for Qwen2-Audio."""
    twice = "language_model.model.model."
    weights = load_file(path)
    if any(name.startswith(twice) for name in weights):
        named = {name.replace(twice, "language_model.model."): own for name, own in weights.items()}
        save_file(named, path, metadata={"format": "pt"})
