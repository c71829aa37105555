"""Published settings as plain data, each with its source and the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass

PAPER = "arXiv 2509.18816, section 3"
PAPERS, DIGESTS, OWN_FIGURES, NOBODYS = "the paper's", "a digest's", "its makers'", "nobody's"
"""Whose figures speak for a setting on a model."""

INTERSPEECH = "Interspeech 2026, DOI 10.21437/Interspeech.2026-1212, by a digest of it"


@dataclass(frozen=True)
class Published:
    """What was published for one model.

    Args:
        model: hub id.
        alpha: strength.
        layers: decoder layers, as :class:`mata_audio.MATA` takes them.
        source: where the setting comes from.
        evidence: what is known of its effect.
        figures: whose figures these are.
    """

    model: str
    alpha: float
    layers: str | None
    source: str
    evidence: str
    figures: str = PAPERS


PUBLISHED = (
    Published(
        "Qwen/Qwen2.5-Omni-7B",
        0.1,
        "10-20",
        PAPER,
        "the paper's figures: MMAU v05.15.25 test-mini 71.1 to 73.6 %, MMAR 56.6 to 61.2 %",
    ),
    Published("KE-Team/Ke-Omni-R", 0.1, "10-20", PAPER, "the paper's figures: MMAR 64.1 to 66.8 %"),
    Published(
        "Qwen/Qwen2-Audio-7B-Instruct",
        0.1,
        None,
        f"{PAPER}; its 10-20 of 28 at the same relative depth of this model's layers",
        "the paper's figures: MMAU v05.15.25 test-mini 59.4 to 64.8 %, the full test 57.3 to 57.3 "
        "%; that its layers were scaled like this is our reading",
    ),
    Published(
        "Qwen/Qwen3-Omni-30B-A3B-Thinking",
        0.1,
        None,
        f"{INTERSPEECH}; its 10-20 of 28 at the same relative depth of this model's layers",
        "a digest's figures, not read in the paper: MMAR challenge 68.6 to 71.0 %, rubrics 58.7 to "
        "62.6; the digest says layers 10-20: that they were scaled like this is our reading, and "
        "so is the checkpoint",
        DIGESTS,
    ),
)
"""Every model with published figures; those of a digest say so."""

UNPUBLISHED = Published(
    "",
    0.1,
    None,
    f"{PAPER}: alpha 0.1, its 10-20 of 28 at the same relative depth",
    "nobody's figures: untested on this model. mata choose finds layers and alpha by measurement",
    NOBODYS,
)
"""Used for every other model."""


def published(model: str) -> Published | None:
    """Return what was published for a hub id, in upper or lower case; None for any other model.

    Folders are never looked up: their name does not tell which model they hold.
    """
    return next((row for row in PUBLISHED if row.model.lower() == model.lower()), None)
