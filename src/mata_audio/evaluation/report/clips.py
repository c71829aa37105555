"""The clips of a report: embedded in the page or linked as files, and which places are allowed."""

from __future__ import annotations

import base64
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mata_audio.errors import AudioError
from mata_audio.evaluation.data.audio_sources import FileAudio
from mata_audio.evaluation.item import AudioSource, Dataset, Item
from mata_audio.evaluation.results.results import UNHEARD, ItemResult, Results
from mata_audio.settings.named import BASELINE
from mata_audio.storage.file_names import file_stems

AUTO, EMBED, SOME, LINK, NONE = "auto", "embed", "some", "link", "none"
MOST_EMBEDDED = 20 * 2**20
"""Bytes of audio that ``auto`` and ``some`` embed at most."""

_TYPES = {b"RIFF": "wav", b"fLaC": "flac", b"OggS": "ogg", b"ID3": "mpeg", b"\xff": "mpeg"}
_ENDINGS = {"mpeg": "mp3"}

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
        name: its name in the question file.
        source: a ``data:audio/...`` URI, or a percent-encoded URL reference without scheme and
            host, such as ``clips/7.wav`` or ``/data/clips/7.wav``. The report names a clip with
            any other source, but does not play it.
        why: why it has no source, as a sentence.
    """

    name: str
    source: str
    why: str = ""


def playable(source: str) -> str | None:
    """Return ``source`` if a report may load it, else None."""
    if not source or _SKIPPED.search(source):
        return None
    if _EMBEDDED.match(source):
        return source
    return None if _SCHEME.match(source) or _HOST.match(source) else source


def report_clips(
    results: Results,
    dataset: Dataset,
    page: Path,
    how: str = AUTO,
    most: int | None = None,
) -> dict[str, list[ClipMedia]]:
    """Return the clips by item id, for :func:`render_report`.

    Links point to clips that are files; other clips (in archives, in parquet, synthesised) are
    first written to a folder next to the page.

    Args:
        results: the run's results.
        dataset: its items with their audio.
        page: where the report will be.
        how: ``"embed"`` all clips, ``"link"`` to them, or ``"none"``; ``"auto"`` embeds them if
            they are at most ``most`` bytes and links to them otherwise; ``"some"`` embeds as many
            as fit in that, those of items that a setting gained or lost first, and leaves the
            other items out.
        most: in bytes; None for :data:`MOST_EMBEDDED`.
    """
    limit = MOST_EMBEDDED if most is None else most
    shown = {result.id: result for result in results.items}
    items = [item for item in dataset.items if item.id in shown]
    if how == NONE:
        return {}
    if how == EMBED:
        return _embedded(items, math.inf)
    if how == SOME:
        first = sorted(items, key=lambda item: not _changed(shown[item.id]))
        return _embedded(first, limit)
    if how == AUTO:
        embedded = _embedded(items, limit)
        if len(embedded) == len(items):
            return embedded
    folder = page.with_name(f"{page.stem}-audio")
    stems = file_stems(item.id for item in items)
    return {item.id: _linked(item, page, folder / stems[item.id]) for item in items}


def _changed(item: ItemResult) -> bool:
    """Whether a setting gained or lost this item."""
    scored = {
        name: own.correct
        for name, own in item.answers.items()
        if own.correct is not None and name != UNHEARD
    }
    return BASELINE in scored and len(set(scored.values())) > 1


def _embedded(items: Sequence[Item], limit: float) -> dict[str, list[ClipMedia]]:
    """Return clips as data URIs, up to the first item with which they exceed ``limit`` bytes."""
    total = 0
    clips: dict[str, list[ClipMedia]] = {}
    for item in items:
        own = []
        for source in item.audio:
            try:
                content = source.read()
            except AudioError as error:
                own.append(_unreadable(source, error))
                continue
            total += len(content)
            if total > limit:
                return clips
            encoded = base64.b64encode(content).decode()
            own.append(ClipMedia(source.name, f"data:audio/{_type(content)};base64,{encoded}"))
        clips[item.id] = own
    return clips


def _linked(item: Item, page: Path, beginning: Path) -> list[ClipMedia]:
    """Return links to an item's clips; those that are no files are written first."""
    clips = []
    for number, source in enumerate(item.audio):
        if isinstance(source, FileAudio):
            path = Path(source.path)
        else:
            try:
                content = source.read()
            except AudioError as error:
                clips.append(_unreadable(source, error))
                continue
            ending = _type(content)
            path = beginning.with_name(f"{beginning.name}-{number}.{_ENDINGS.get(ending, ending)}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        where = os.path.relpath(path.resolve(), page.resolve().parent).replace(os.sep, "/")
        if path.is_file():
            clips.append(ClipMedia(source.name, quote(where)))
        else:
            why = f"There was no file at {where} when this page was made."
            clips.append(ClipMedia(source.name, "", why))
    return clips


def _unreadable(source: AudioSource, error: AudioError) -> ClipMedia:
    return ClipMedia(source.name, "", f"This clip could not be read: {error}.")


def _type(content: bytes) -> str:
    return next((kind for magic, kind in _TYPES.items() if content.startswith(magic)), "wav")
