"""Every error this package raises, and its warnings: :class:`MataError`, :class:`MataWarning`.

Wrong settings are also ``ValueError`` or ``TypeError``, so that either way of catching them works.
"""


class MataError(Exception):
    """Base of all errors of mata-audio."""


class SettingsError(MataError, ValueError):
    """A setting has a value that is not allowed."""


class SettingsTypeError(MataError, TypeError):
    """A setting has a type that is not allowed."""


class UnsupportedModelError(MataError, TypeError):
    """The model's architecture, or the way it is called, cannot be steered exactly."""


class AlreadyAttachedError(MataError, RuntimeError):
    """The model is steered already."""


class NoAudioError(MataError, RuntimeError):
    """The model ran and saw no audio token (or none of ``tokens``), so nothing was changed."""


class PromptLengthError(MataError, ValueError):
    """Where the prompt ends is unknown or impossible, so the active rows are too."""


class LegacyAudioTokenError(MataError, ValueError):
    """The prompt holds one audio token a clip where the model needs one for each audio frame."""


class AudioError(MataError, ValueError):
    """An audio file cannot be used as it is."""


class ModelLoadError(MataError, OSError):
    """A model or its processor cannot be loaded."""


class DataError(MataError, ValueError):
    """A benchmark's files are missing, damaged or not in a known layout."""


class TemplateError(MataError, ValueError):
    """A prompt template or answer reader does not exist or is not well formed."""


class ScoringError(MataError, ValueError):
    """A prediction file that the benchmark's official scorer could not score."""


class RunError(MataError, RuntimeError):
    """An evaluation run cannot be started, continued, read or compared as asked."""


class MataWarning(UserWarning):
    """Base of all warnings of mata-audio."""


class MissingAdapterWarning(MataWarning):
    """A model folder has no adapter, where its family's checkpoints bring one for sound."""


def one_line(error: Exception) -> str:
    """Return an error in one line, with its kind."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
