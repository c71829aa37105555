"""Every family's small model passes every check; one that cannot be built fails."""

from __future__ import annotations

import pytest
import transformers

from mata_audio import small_models
from mata_audio.doctor.families import examine_families, family_names
from mata_audio.versions import NEWEST


def test_every_family_that_hears_is_examined() -> None:
    if transformers.__version__ == NEWEST:
        assert family_names() == small_models.MODEL_TYPES


@pytest.mark.parametrize("name", family_names())
def test_a_family(name: str) -> None:
    (report,) = examine_families((name,))
    assert report.failures == []
    skipped = [check.name for check in report.checks if check.outcome == "skip"]
    if transformers.__version__ == NEWEST:  # an old VibeVoice is not the same without its cache
        assert skipped in ([], ["flash_attention_2 and sdpa"])
    assert report.model == name
    assert report.worst is not None
    assert report.worst < 1e-5


def test_a_family_that_cannot_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str) -> None:
        raise AttributeError(f"no {name}")

    monkeypatch.setattr(small_models, "small_model", fails)
    first, second = examine_families(("gemma4", "voxtral"))
    assert not first.ok
    assert first.failures[0].figure == "AttributeError: no gemma4"
    assert second.failures[0].figure == "AttributeError: no voxtral"
