"""The page's pictures: which ones, in what order, with what captions; all are embedded."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MOST_OF_ONE = 2 * 2**20
"""Bytes; ours have about a tenth of this."""
MOST_OF_ALL = 10 * 2**20

_MEBI = 2**20
# Possessive, so that no file makes it backtrack; a DOCTYPE with entities does not match.
_SVG = re.compile(
    rb"(?:\s++|<\?xml[^>]*+>|(?><!--.*?-->)|<!DOCTYPE[^>\[]*+>)*+<svg[\s>]", re.DOTALL
)

FOLLOWS_DARK_MODE = b"(prefers-color-scheme: dark)"
"""What an SVG file has that follows the page's colours."""

REPEATED = ("accuracy", "gained_and_lost")
"""Pictures that show what the page's tables show, so it leaves them out."""

_CAPTIONS = {
    "heatmap": "Layers against alpha: the difference to the baseline on the sweep's tuning part.",
    "ranking": "The sweep's settings, ranked on the tuning part, and the winner held out.",
    "mass_by_layer": "How much of the last token's attention goes to audio, layer by layer.",
    "layer_head_map": "The same share head by head, and how the setting changes it.",
    "listening": "Where in one clip the last token looks, under its waveform and spectrogram.",
    "words": "Where in the same clip each word of the answer listens, under its waveform.",
}
"""Captions of the known pictures, in the page's order."""

_OF_CLIPS = {
    "listening": "Where in clip {} the last token looks.",
    "words": "Where in clip {} each word of the answer listens.",
}
"""Captions of the pictures of an item's further clips, whose names end in a number."""


@dataclass(frozen=True)
class Picture:
    """A picture for the page.

    Args:
        name: its file's name without the suffix.
        svg: the content; None if the picture is left out.
        reason: why it is left out.
    """

    name: str
    svg: bytes | None
    reason: str = ""

    @property
    def source(self) -> str:
        """The picture as a data URI; inside ``<img>`` no script in it runs."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg or b"").decode()

    @property
    def follows_dark_mode(self) -> bool:
        """Whether it has dark colours of its own, as our files have."""
        return FOLLOWS_DARK_MODE in (self.svg or b"")

    @property
    def caption(self) -> str:
        """What it shows; the name of an unknown picture."""
        return _CAPTIONS.get(self.name) or _numbered(self.name) or self.name

    @property
    def alternative(self) -> str:
        """The alternative text."""
        known = "" if self.caption == self.name else f" {self.caption}"
        return f"Picture {self.name}.{known}"


def page_pictures(drawn: Mapping[str, bytes], folder: Path | None = None) -> list[Picture]:
    """Return the pictures of a page, in its order, except those that repeat its tables.

    Args:
        drawn: SVG content by name.
        folder: its ``*.svg`` files are added, except those whose names are in ``drawn``.
    """
    found = [_within(name, svg) for name, svg in drawn.items() if name not in REPEATED]
    for path in sorted(folder.glob("*.svg")) if folder is not None and folder.is_dir() else ():
        if path.stem not in (*drawn, *REPEATED) and path.is_file():
            found.append(_read(path))
    known = list(_CAPTIONS)
    found.sort(key=lambda own: known.index(_base(own.name)) if _base(own.name) in known else 99)
    return _within_all(found)


def _read(path: Path) -> Picture:
    try:
        size = path.stat().st_size
        if size > MOST_OF_ONE:
            return Picture(path.stem, None, _too_large(size, MOST_OF_ONE))
        return _within(path.stem, path.read_bytes())
    except OSError as error:
        return Picture(path.stem, None, f"it cannot be read: {error.strerror}")


def _within(name: str, svg: bytes) -> Picture:
    """Leave out what is too large or not an SVG picture, such as the target of a link."""
    if len(svg) > MOST_OF_ONE:
        return Picture(name, None, _too_large(len(svg), MOST_OF_ONE))
    if not _SVG.match(svg.removeprefix(b"\xef\xbb\xbf")):
        return Picture(name, None, "it is not an SVG picture")
    return Picture(name, svg)


def _within_all(pictures: Sequence[Picture]) -> list[Picture]:
    total = 0
    shown = []
    for own in pictures:
        total += len(own.svg or b"")
        if own.svg is not None and total > MOST_OF_ALL:
            total -= len(own.svg)
            reason = f"with it the pictures would take more than {MOST_OF_ALL / _MEBI:.0f} MB"
            own = Picture(own.name, None, reason)
        shown.append(own)
    return shown


def _too_large(size: int, most: int) -> str:
    return f"its {size / _MEBI:.1f} MB are more than {most / _MEBI:.0f} MB"


def _base(name: str) -> str:
    """Return ``listening`` for ``listening_2``, the picture of an item's second clip."""
    return re.sub(rf"\A({'|'.join(_OF_CLIPS)})_\d+\Z", r"\1", name)


def _numbered(name: str) -> str:
    base = _base(name)
    return "" if base == name else _OF_CLIPS[base].format(name.removeprefix(f"{base}_"))
