"""Whether a harness is installed."""

from __future__ import annotations

from importlib.util import find_spec

from mata_audio.errors import SettingsError


def check_extra(library: str, extra: str) -> None:
    """Check that the library of a harness is there.

    Raises:
        SettingsError: it is missing; the message says what to install.
    """
    if find_spec(library) is None:
        raise SettingsError(f"{library} is not installed: pip install 'mata-audio[{extra}]'")
