"""mata-audio: exact inference-time attention to audio for large audio-language models.

Implements MATA, More Attention To Audio (arXiv 2509.18816, Interspeech 2026). PyTorch and
Transformers are imported only when they are used.
"""

from typing import TYPE_CHECKING, Any

from mata_audio.errors import (
    AlreadyAttachedError,
    AudioError,
    CacheError,
    LegacyAudioTokenError,
    MataError,
    ModelLoadError,
    NoAudioError,
    PromptLengthError,
    SettingsError,
    SettingsTypeError,
    StillRunningError,
    UnsupportedModelError,
)
from mata_audio.methods.mata import MATA

if TYPE_CHECKING:
    from mata_audio.families import register_family
    from mata_audio.steering.attachment import attachment_of
    from mata_audio.steering.backends import register_attention

    __version__: str

__all__ = [
    "MATA",
    "AlreadyAttachedError",
    "AudioError",
    "CacheError",
    "LegacyAudioTokenError",
    "MataError",
    "ModelLoadError",
    "NoAudioError",
    "PromptLengthError",
    "SettingsError",
    "SettingsTypeError",
    "StillRunningError",
    "UnsupportedModelError",
    "__version__",
    "attachment_of",
    "register_attention",
    "register_family",
]

_LAZY = {
    "attachment_of": "mata_audio.steering.attachment",
    "register_attention": "mata_audio.steering.backends",
    "register_family": "mata_audio.families",
}


def __getattr__(name: str) -> Any:
    """Import what is slow to import only when it is used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mata-audio")
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
