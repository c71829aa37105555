"""Where a report's audio players find their clips, and which places are allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass

_EMBEDDED = re.compile(r"data:audio/", re.IGNORECASE)
# What a URL parser reads as a scheme; a Windows drive letter looks like one as well.
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Two slashes are followed by a host, and browsers read a backslash as a slash.
_HOST = re.compile(r"[/\\]{2}")
# URL parsers skip these, which would hide a scheme from the pattern above.
_SKIPPED = re.compile(r"^\s|[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class ClipMedia:
    """One clip of an item, as the report plays it.

    Args:
        name: what the question file calls it.
        source: a ``data:audio/...`` URI, or a URL reference without scheme and host, such as
            ``clips/7.wav`` or ``/data/clips/7.wav``, percent-encoded where its name needs that.
            Anything else is named in the report, but cannot be played there.
    """

    name: str
    source: str


def playable(source: str) -> str | None:
    """Return ``source`` if a report may load it, else None."""
    if not source or _SKIPPED.search(source):
        return None
    if _EMBEDDED.match(source):
        return source
    return None if _SCHEME.match(source) or _HOST.match(source) else source
