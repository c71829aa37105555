"""Before a run goes on: whether its clips still sound as they did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mata_audio.errors import MataError, RunError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.ahead import ahead
from mata_audio.evaluation.running.prepare import preparer_of

if TYPE_CHECKING:
    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.models.finding import Found
    from mata_audio.models.loading import Loaded


def check_clips(plan: Plan, model: Found | Loaded, lines: Mapping[str, Mapping[str, Any]]) -> None:
    """Decode the clips of all items that were heard, and compare them with what was heard.

    Args:
        plan: the run's plan.
        model: its model, which decides how long a clip may be.
        lines: the stored lines by item id.

    Raises:
        RunError: a clip sounds otherwise, or cannot be read any more.
    """
    prepare = preparer_of(plan, model)
    heard: Iterable[Item] = [item for item in plan.items if lines.get(item.id, {}).get("clips")]

    def difference(item: Item) -> str | None:
        stored = [clip["sha256"] for clip in lines[item.id]["clips"]]
        try:
            now = [clip.sha256 for clip in prepare.decoded(item)]
        except MataError as error:
            return f"it cannot be read any more ({error})"
        if len(now) != len(stored):
            return f"it has {len(now)} clips, and had {len(stored)}"
        names = [
            source.name
            for source, before, after in zip(item.audio, stored, now, strict=True)
            if before != after
        ]
        return f"the sound of {', '.join(names)} is another" if names else None

    workers = plan.options.workers
    for item, changed in zip(heard, ahead(difference, heard, workers, 4 * workers), strict=True):
        if changed is not None:
            raise RunError(
                f"the audio of item {item.id!r} changed since it was answered: {changed}. Answers "
                "on changed audio cannot be mixed with earlier ones: restore the audio, or give "
                "another folder for --out"
            )
