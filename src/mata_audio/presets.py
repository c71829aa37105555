"""Published settings by model id, each with its source and the evidence for it, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mata_audio.settings import MATA

PAPER = "arXiv 2509.18816, section 3"


@dataclass(frozen=True)
class Preset:
    """A setting for one model.

    Args:
        model: hub id, or whatever was asked for.
        mata: the setting.
        source: where it comes from.
        evidence: what is known of its effect, and whose figures these are.
        tested: whether anybody published a figure for this model with it.
    """

    model: str
    mata: MATA
    source: str
    evidence: str
    tested: bool = True


_PUBLISHED = (
    Preset(
        "Qwen/Qwen2.5-Omni-7B",
        MATA(alpha=0.1, layers="10-20"),
        PAPER,
        "the paper's figures: MMAU v05.15.25 test-mini 71.1 to 73.6 %, MMAR 56.6 to 61.2 %",
    ),
    Preset(
        "KE-Team/Ke-Omni-R",
        MATA(alpha=0.1, layers="10-20"),
        PAPER,
        "the paper's figures: MMAR 64.1 to 66.8 %",
    ),
    Preset(
        "Qwen/Qwen2-Audio-7B-Instruct",
        MATA(alpha=0.1),
        f"{PAPER}; its 10-20 of 28 at the same relative depth of this model's layers",
        "the paper's figures: MMAU v05.15.25 test-mini 59.4 to 64.8 %, the full test 57.3 to 57.3 "
        "%; that its layers were scaled like this is our reading",
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({own.model.lower(): own for own in _PUBLISHED})
"""By hub id in lower case."""


def preset(model: str) -> Preset:
    """Return the published setting of a model; without one the scaled default, marked untested.

    Args:
        model: hub id. A folder's name says nothing of what is in it.
    """
    known = PRESETS.get(model.lower())
    if known is not None:
        return known
    return Preset(
        model,
        MATA(),
        f"{PAPER}: alpha 0.1, its 10-20 of 28 at the same relative depth",
        "none: untested on this model. mata choose finds layers and alpha by measurement",
        tested=False,
    )
