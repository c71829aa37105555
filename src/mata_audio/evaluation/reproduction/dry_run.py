"""What a reproduction would run and write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mata_audio.evaluation.reproduction.reproduce import PlannedTable
from mata_audio.families import locate
from mata_audio.models.finding import Found, skeleton
from mata_audio.settings.in_words import describe_on
from mata_audio.settings.named import BASELINE


def as_text(out: Path, planned: Sequence[PlannedTable]) -> str:
    """Return the tables that can be run, a paragraph each, and the files of them all."""
    if not planned:
        return "Nothing can be run."
    files = f"{out / 'reproduction.json'} and {out / 'reproduction.md'}"
    parts = [_paragraph(each) for each in planned]
    return "\n\n".join([*parts, f"Then, published and measured figures together: {files}"])


def _paragraph(planned: PlannedTable) -> str:
    plan, table = planned.plan, planned.table
    assert isinstance(plan.model, Found)  # ``plan_tables`` gives no loaded model
    located = locate(skeleton(plan.model))
    main = plan.task.groupings[0]
    rows = ", ".join([*(table.baseline.groups or [f"by {main.heading.lower()}"]), "average"])
    settings = {
        setting.name: describe_on(setting.method, located)
        for setting in plan.settings
        if setting.method is not None
    }
    lines = [
        f"{table.title}: {len(plan.items):,} items",
        f"  rows      {rows}",
        f"  model     {plan.model.name} ({located.depth} layers)",
        f"  data      {plan.dataset.version or 'an unknown release'}, {plan.data}",
        f"  prompt    {plan.template.name}, answers read by {plan.reader}, at most "
        f"{plan.max_new_tokens} new tokens",
        f"  settings  {BASELINE}: the unmodified model",
        *(f"            {name}: {words}" for name, words in settings.items()),
        *(f"            {name}: as {same} on this model" for name, same in planned.equal.items()),
        f"  writes    {planned.folder}: run.json, items.jsonl, results.*, predictions/",
    ]
    return "\n".join(lines)
