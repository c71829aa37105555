"""``evidence.json`` in a run's folder: the evidence, so that a resumed run need not measure again.

Fitted gains, too, are then exactly the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError
from mata_audio.evaluation.choosing.evidence import Evidence
from mata_audio.methods.method import method_from
from mata_audio.storage.atomic_file import write_atomically
from mata_audio.storage.run_folder import EVIDENCE


def save_evidence(evidence: Evidence, folder: Path, made_from: Mapping[str, Any]) -> None:
    """Write the evidence; ``made_from`` is JSON data that identifies what it was measured on."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {**asdict(evidence), "setting": evidence.setting.as_data()}
    data = {"made_from": dict(made_from), "evidence": found}
    write_atomically(folder / EVIDENCE, json.dumps(data, indent=1) + "\n")


def load_evidence(folder: Path, made_from: Mapping[str, Any]) -> Evidence | None:
    """Return the stored evidence; None if there is none, or it was measured on something else.

    Raises:
        RunError: the file cannot be used.
    """
    path = folder / EVIDENCE
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["made_from"] != json.loads(json.dumps(dict(made_from))):
            return None
        stored = data["evidence"]
        lists = {name: tuple(stored[name]) for name in ("scores", "low", "high")}
        setting = method_from(stored["setting"], "its setting")
        return Evidence(**{**stored, **lists, "setting": setting})
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be used ({error}): delete it to measure again") from error


def how_chosen(evidence: Evidence) -> dict[str, Any]:
    """Return how a setting was chosen, for its file: by what, and how gains were fitted."""
    fitting = evidence.facts.get("fitting")
    return {
        "by": evidence.by,
        "items": evidence.items,
        **({} if fitting is None else {"fitting": fitting}),
    }
