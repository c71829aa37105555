"""The versions of vLLM that the plugin knows. Its hooks are no stable interface."""

from __future__ import annotations

from mata_audio.errors import VersionError

KNOWN = ("0.32", "0.33")
"""Versions whose source was read; the tests run on the newest one that has a build for the CPU."""


def check_version(version: str) -> None:
    """Check that this version of vLLM is known.

    Raises:
        VersionError: it is not.
    """
    if ".".join(version.split(".")[:2]) not in KNOWN:
        raise VersionError(
            f"vLLM {version} is not known to mata-audio, and an unknown version might be steered "
            f"wrongly: install vLLM {' or '.join(KNOWN)}, or a newer mata-audio"
        )
