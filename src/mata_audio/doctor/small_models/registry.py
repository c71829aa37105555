"""The small model of each family, built on demand."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from mata_audio.doctor.small_models.small_model import SmallModel
from mata_audio.errors import UnsupportedModelError
from mata_audio.families import FAMILIES
from mata_audio.families.versions import NEWEST, has_class

_MODULES = {
    "qwen": (
        "qwen2_audio",
        "qwen2_5_omni",
        "qwen2_5_omni_thinker",
        "qwen3_omni_moe",
        "qwen3_omni_moe_thinker",
        "qwen3_asr",
    ),
    "llama_like": (
        "audioflamingo3",
        "musicflamingo",
        "voxtral",
        "glmasr",
        "fun_asr_nano",
        "moss_transcribe_diarize",
        "vibevoice_asr",
    ),
    "granite": ("granite_speech", "granite_speech_plus"),
    "gemma": ("gemma3n", "gemma4"),
    "phi": ("phi4_multimodal",),
    "nemotron": ("nemotron_h_omni",),
}

_VISION_MODULES = {
    "qwen_vision": ("qwen2_5_vl", "qwen3_vl"),
    "llava": ("llava", "llava_onevision", "internvl"),
    "gemma_vision": ("gemma3",),
}

MODEL_TYPES: tuple[str, ...] = tuple(name for names in _MODULES.values() for name in names)
"""Audio families; each has a small model."""

VISION_MODEL_TYPES: tuple[str, ...] = tuple(
    name for names in _VISION_MODULES.values() for name in names
)
"""Families with images but no audio; each has a small model."""


def small_model(model_type: str) -> SmallModel:
    """Build the small random model of a family; the same weights every time.

    Raises:
        UnsupportedModelError: the family has none, or the installed Transformers is too old.
    """
    loader = next((own.loader for own in FAMILIES if own.model_type == model_type), None)
    if loader is not None and not has_class(loader):
        raise UnsupportedModelError(
            f"the installed Transformers has no {loader}: install {NEWEST} or later"
        )
    for module, names in {**_MODULES, **_VISION_MODULES}.items():
        if model_type in names:
            file = import_module(f"mata_audio.doctor.small_models.{module}")
            build: Callable[[], SmallModel] = getattr(file, model_type)
            return build()
    raise UnsupportedModelError(
        f"there is no small model of {model_type!r}; allowed: "
        f"{', '.join(MODEL_TYPES + VISION_MODEL_TYPES)}"
    )
