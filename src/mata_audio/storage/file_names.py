"""File names made of the names of settings and items: readable, and never one for two of them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

LONGEST = 100
"""Most characters of a name that are kept: file systems take about 255 bytes."""


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """Return a file name without its suffix for each name.

    Letters and digits of every script, dots, underscores and dashes stay; other characters become
    dashes. Names that would share a file, also where case does not count, get the start of their
    SHA-256 digest.
    """
    slugs = {name: _slug(name) for name in names}
    times = Counter(slug.casefold() for slug in slugs.values())
    return {
        name: slug if times[slug.casefold()] == 1 else f"{slug}-{_digest(name)}"
        for name, slug in slugs.items()
    }


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)[:LONGEST].strip("-.") or "unnamed"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", errors="surrogatepass")).hexdigest()[:8]
