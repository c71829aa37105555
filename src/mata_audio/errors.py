"""Every error and warning of this package, under :class:`MataError` and :class:`MataWarning`.

Each error is also a built-in one, such as ``ValueError``, so that either way of catching works.
"""


class MataError(Exception):
    """Base of all errors of mata-audio."""


class SettingsError(MataError, ValueError):
    """A setting has a value that is not allowed."""


class SettingsTypeError(MataError, TypeError):
    """A setting has a type that is not allowed."""


class UnsupportedModelError(MataError, TypeError):
    """The model cannot be steered exactly: its architecture, or the way it is called."""


class AlreadyAttachedError(MataError, RuntimeError):
    """The model is steered already."""


class NoAudioError(MataError, RuntimeError):
    """The model ran and saw no audio token (or none of ``tokens``), so nothing was changed."""


class PromptLengthError(MataError, ValueError):
    """Where the prompt ends is unknown or impossible, and so are the active rows."""


class CacheError(PromptLengthError):
    """Nobody knows which prompt a cache holds, or it does not hold what the call says."""


class StillRunningError(MataError, RuntimeError):
    """The model still runs: the intervention cannot be taken off, or was taken off by force."""


class LegacyAudioTokenError(MataError, ValueError):
    """The prompt holds one audio token a clip, but the model needs one for each audio frame."""


class AudioError(MataError, ValueError):
    """An audio file cannot be used."""


class ModelLoadError(MataError, OSError):
    """A model or its processor cannot be loaded."""


class VersionError(MataError, RuntimeError):
    """A library has a version that is not known, and might be steered wrongly."""


class MissingFileError(MataError, FileNotFoundError):
    """A file that was named is not there."""


class MissingLibraryError(MataError, ImportError):
    """A library that this package needs is missing, too old, or cannot be imported."""


class DataError(MataError, ValueError):
    """A benchmark's files are missing, damaged or not in a known layout."""


class TemplateError(MataError, ValueError):
    """A prompt template or answer reader does not exist or is malformed."""


class ScoringError(MataError, ValueError):
    """A prediction file cannot be scored by the benchmark's official scorer."""


class RunError(MataError, RuntimeError):
    """An evaluation run cannot be started, resumed, read or compared."""


class WriteError(MataError, OSError):
    """A file or folder cannot be written: the disk is full, or writing there is not allowed."""


class MataWarning(UserWarning):
    """Base of all warnings of mata-audio."""


class UnusedBlockWarning(MataWarning):
    """``mata(model)`` was called without ``with``, so the model was never steered."""


class MissingAdapterWarning(MataWarning):
    """A model folder lacks the adapter for sound that its family's checkpoints have."""


class UnreachableAnswerWarning(MataWarning):
    """A benchmark's rule scores the right answer of some items as wrong."""


def one_line(error: Exception) -> str:
    """Return an error with its type, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
