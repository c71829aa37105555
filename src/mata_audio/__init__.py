"""mata-audio: exact inference-time attention to audio for large audio-language models.

Implements MATA, More Attention To Audio (arXiv 2509.18816). PyTorch and Transformers are imported
only when they are used.
"""

from typing import TYPE_CHECKING, Any

from mata_audio.errors import (
    AlreadyAttachedError,
    AudioError,
    LegacyAudioTokenError,
    MataError,
    ModelLoadError,
    NoAudioError,
    PromptLengthError,
    SettingsError,
    SettingsTypeError,
    UnsupportedModelError,
)
from mata_audio.settings.mata import MATA

if TYPE_CHECKING:
    from mata_audio.families import register_family

    __version__: str

__all__ = [
    "MATA",
    "AlreadyAttachedError",
    "AudioError",
    "LegacyAudioTokenError",
    "MataError",
    "ModelLoadError",
    "NoAudioError",
    "PromptLengthError",
    "SettingsError",
    "SettingsTypeError",
    "UnsupportedModelError",
    "__version__",
    "register_family",
]


def __getattr__(name: str) -> Any:
    """Import what is slow to import only when it is used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mata-audio")
    if name == "register_family":
        from mata_audio.families import register_family

        return register_family
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
