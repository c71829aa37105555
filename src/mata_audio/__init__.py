"""mata-audio: exact inference-time attention to audio for large audio-language models.

Implements MATA, More Attention To Audio (arXiv 2509.18816). Nothing heavy is imported until used.
"""

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
from mata_audio.settings import MATA

__version__ = "0.1.0"

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
]
