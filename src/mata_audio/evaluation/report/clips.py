"""Where a report plays a run's clips from: embedded in the page, or files that it links to."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from urllib.parse import quote

from mata_audio.errors import AudioError
from mata_audio.evaluation.data.audio_sources import FileAudio
from mata_audio.evaluation.item import AudioSource, Dataset, Item
from mata_audio.evaluation.report import ClipMedia
from mata_audio.evaluation.results.results import Results

EMBED, LINK, NONE, AUTO = "embed", "link", "none", "auto"
MOST_EMBEDDED = 20 * 2**20
"""Bytes of audio up to which ``auto`` embeds the clips."""

_TYPES = {b"RIFF": "wav", b"fLaC": "flac", b"OggS": "ogg", b"ID3": "mpeg", b"\xff": "mpeg"}
_ENDINGS = {"mpeg": "mp3"}


def report_clips(
    results: Results, dataset: Dataset, page: Path, how: str = AUTO
) -> dict[str, list[ClipMedia]]:
    """Return the clips of every item, by item id, for :func:`render_report`.

    Clips that are files of their own are linked where they are; others (in archives, in parquet,
    synthesised) are written to a folder beside the page first.

    Args:
        results: of the run.
        dataset: its items, which know their audio.
        page: where the report will be.
        how: ``"embed"``, ``"link"``, ``"none"``, or ``"auto"``: embed where that is little.
    """
    shown = {result.id for result in results.items}
    items = [item for item in dataset.items if item.id in shown]
    if how == NONE:
        return {}
    if how in (EMBED, AUTO):
        limit = None if how == EMBED else MOST_EMBEDDED
        embedded = _embedded(items, limit)
        if embedded is not None:
            return embedded
    folder = page.with_name(f"{page.stem}-audio")
    return {item.id: _linked(item, page, folder) for item in items}


def _embedded(items: list[Item], limit: int | None) -> dict[str, list[ClipMedia]] | None:
    """Return all clips as data URIs; None where they are larger than ``limit`` together."""
    total = 0
    clips: dict[str, list[ClipMedia]] = {}
    for item in items:
        clips[item.id] = []
        for source in item.audio:
            content = _content(source)
            total += len(content)
            if limit is not None and total > limit:
                return None
            encoded = base64.b64encode(content).decode()
            uri = f"data:audio/{_type(content)};base64,{encoded}" if content else ""
            clips[item.id].append(ClipMedia(source.name, uri))
    return clips


def _linked(item: Item, page: Path, folder: Path) -> list[ClipMedia]:
    clips = []
    for number, source in enumerate(item.audio):
        path = Path(source.path) if isinstance(source, FileAudio) else None
        if path is None:
            content = _content(source)
            if content:
                ending = _type(content)
                stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in item.id)
                path = folder / f"{stem}-{number}.{_ENDINGS.get(ending, ending)}"
                folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        where = "" if path is None else os.path.relpath(path.resolve(), page.resolve().parent)
        clips.append(ClipMedia(source.name, quote(where.replace(os.sep, "/"))))
    return clips


def _content(source: AudioSource) -> bytes:
    """Return a clip's bytes; nothing for one that cannot be read, as its item's error says."""
    try:
        return source.read()
    except AudioError:
        return b""


def _type(content: bytes) -> str:
    return next((kind for magic, kind in _TYPES.items() if content.startswith(magic)), "wav")
