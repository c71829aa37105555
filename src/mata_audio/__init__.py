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
    MissingLibraryError,
    ModelLoadError,
    NoAudioError,
    PromptLengthError,
    SettingsError,
    SettingsTypeError,
    StillRunningError,
    UnsupportedModelError,
)
from mata_audio.methods.mata import MATA, Preset
from mata_audio.shown.in_html import made_by

if TYPE_CHECKING:
    from mata_audio import asking, evaluation, methods, pictures, profiling
    from mata_audio.evaluation.choosing import choose
    from mata_audio.evaluation.results.results_file import load_results
    from mata_audio.evaluation.running.evaluate import evaluate
    from mata_audio.evaluation.sweep import grid, sweep
    from mata_audio.families import register_family
    from mata_audio.models.inputs import answer_text, inputs_for
    from mata_audio.models.loading import Loaded, load
    from mata_audio.profiling import profile, timeline
    from mata_audio.settings.deciding import setting_for
    from mata_audio.steering.attachment import attachment_of
    from mata_audio.steering.backends import register_attention

    __version__: str

__all__ = [
    "MATA",
    "AlreadyAttachedError",
    "AudioError",
    "CacheError",
    "LegacyAudioTokenError",
    "Loaded",
    "MataError",
    "MissingLibraryError",
    "ModelLoadError",
    "NoAudioError",
    "Preset",
    "PromptLengthError",
    "SettingsError",
    "SettingsTypeError",
    "StillRunningError",
    "UnsupportedModelError",
    "__version__",
    "answer_text",
    "asking",
    "attachment_of",
    "choose",
    "evaluate",
    "evaluation",
    "grid",
    "inputs_for",
    "load",
    "load_results",
    "methods",
    "pictures",
    "profile",
    "profiling",
    "register_attention",
    "register_family",
    "setting_for",
    "sweep",
    "timeline",
]

_LAZY = {
    "Loaded": "mata_audio.models.loading",
    "answer_text": "mata_audio.models.inputs",
    "attachment_of": "mata_audio.steering.attachment",
    "choose": "mata_audio.evaluation.choosing",
    "evaluate": "mata_audio.evaluation",
    "grid": "mata_audio.evaluation.sweep",
    "inputs_for": "mata_audio.models.inputs",
    "load": "mata_audio.models.loading",
    "load_results": "mata_audio.evaluation",
    "profile": "mata_audio.profiling",
    "register_attention": "mata_audio.steering.backends",
    "register_family": "mata_audio.families",
    "setting_for": "mata_audio.settings.deciding",
    "sweep": "mata_audio.evaluation.sweep",
    "timeline": "mata_audio.profiling",
}
_FOLDERS = ("asking", "evaluation", "methods", "pictures", "profiling")


def __getattr__(name: str) -> Any:
    """Import what is slow to import only when it is used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mata-audio")
    if name not in _LAZY and name not in _FOLDERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        module = import_module(_LAZY.get(name, f"mata_audio.{name}"))
        return getattr(module, name) if name in _LAZY else module
    except (ImportError, OSError) as error:
        from mata_audio.needed_libraries import missing_library

        missing = missing_library(error)
        if missing is None:
            raise
        raise missing from error


def __dir__() -> list[str]:
    """List what there is, also what is not imported yet."""
    return sorted(__all__)


def _html(shown: object) -> str:
    """Return what a notebook shows; tables and pictures are imported when the first is shown."""
    from mata_audio.notebook import html_of

    return html_of(shown)


made_by(_html)
