"""Every family's small model passes every check; one that cannot be built fails."""

from __future__ import annotations

import pytest
import torch
import transformers

from doctor.refused_methods import refused, skipped
from families.processing import NEEDS
from mata_audio.doctor import small_models
from mata_audio.doctor.all_families import examine_families, family_names
from mata_audio.doctor.small_models import MODEL_TYPES, VISION_MODEL_TYPES
from mata_audio.families import FAMILIES
from mata_audio.families.versions import NEWEST
from mata_audio.steering.formulas import FORMULAS


def test_every_family_is_examined() -> None:
    assert {family.model_type for family in FAMILIES} == {*MODEL_TYPES, *VISION_MODEL_TYPES}
    if transformers.__version__ == NEWEST:
        assert family_names() == MODEL_TYPES + VISION_MODEL_TYPES


@pytest.mark.parametrize("name", [name for name in family_names() if NEEDS.get(name) != ""])
def test_a_family(name: str) -> None:
    """Those with a processor that can always be built: ``tests/families/test_folders.py``."""
    (report,) = examine_families((name,))
    assert report.failures == []
    if transformers.__version__ == NEWEST:
        assert skipped(report.checks) == refused(name)
    assert report.model == name
    assert report.worst is not None
    assert report.worst < 1e-5


@pytest.mark.usefixtures("unsteered")
@pytest.mark.parametrize("name", [name for name in family_names() if name in VISION_MODEL_TYPES])
def test_images_that_are_not_steered(name: str) -> None:
    """The examination is about image tokens, and fails if their scores do not change."""
    (report,) = examine_families((name,))
    assert report.checks[0].name == "decoder and image tokens"
    assert report.checks[0].figure.endswith("in prompts with 1, 2, 0 images")
    failed = {check.name for check in report.failures}
    for formula in FORMULAS:
        assert {f"full scores, {formula}", f"generate, {formula}"} <= failed
    assert {"batch padded on the left", "cache and no cache", "beams"} <= failed


def test_a_family_in_16_bits() -> None:
    """Its beams pass too: a setting changes their tokens clearly, but hardly their sums."""
    (report,) = examine_families(("gemma3",), dtype=torch.bfloat16)
    assert report.failures == []
    assert {check.name: check.outcome for check in report.checks}["beams"] == "pass"


def test_a_family_that_cannot_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str) -> None:
        raise AttributeError(f"no {name}")

    monkeypatch.setattr(small_models, "small_model", fails)
    first, second = examine_families(("gemma4", "voxtral"))
    assert not first.ok
    assert first.failures[0].figure == "AttributeError: no gemma4"
    assert second.failures[0].figure == "AttributeError: no voxtral"
