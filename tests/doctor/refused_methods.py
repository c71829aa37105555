"""Which of the doctor's checks of methods are skipped for a family."""

from __future__ import annotations

from mata_audio.doctor.check import Check
from mata_audio.doctor.small_models import VISION_MODEL_TYPES

VIEWS = {f"method {name}" for name in ("aad", "contrast", "changes", "pai")}
LOOKS = {f"method {name}" for name in ("adaptvis", "caac")}
OF_AUDIO = {f"method {name}" for name in ("contrast", "gacl", "tcd", "vcd")}


def refused(name: str) -> set[str]:
    """Checks of methods that a family's caches, or its want of audio, leave undefined."""
    states = VIEWS | LOOKS if name == "nemotron_h_omni" else set()
    windows = LOOKS if name in ("gemma3", "gemma3n", "gemma4") else set()
    return states | windows | (OF_AUDIO if name in VISION_MODEL_TYPES else set())


def skipped(checks: tuple[Check, ...]) -> set[str]:
    """Names of the checks that were skipped, except for flash attention, which needs a GPU."""
    names = {check.name for check in checks if check.outcome == "skip"}
    return names - {"flash_attention_2 and sdpa"}
