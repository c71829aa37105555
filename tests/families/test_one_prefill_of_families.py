"""One prefill for all settings gives what separate runs give, even if a cache drops old keys."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from families.subjects import FamilySubject, subject_of
from mata_audio import MATA, UnsupportedModelError
from mata_audio.doctor.small_models import Sample
from mata_audio.evaluation.choosing.knockout import knockout
from mata_audio.models.one_prefill import generate_all, greedy
from mata_audio.settings.named import NamedSetting, with_baseline


def assert_one_prefill_is_enough(
    family: FamilySubject, question: Sample, settings: list[NamedSetting]
) -> None:
    """Check the answers to two prompts of one length against a separate run of each setting."""
    inputs = family.small.inputs([question, question._replace(seed=9)])
    words: Any = SimpleNamespace(eos_token_id=1, pad_token_id=0)
    config = greedy(family.model, words, max_new_tokens=6)
    config.update(suppress_tokens=list(family.never))
    settings = with_baseline(settings)
    together = generate_all(family.small.model, inputs, settings, config)
    answers = set()
    for setting in settings:
        with setting.method(family.small.model) if setting.method else nullcontext():
            output = family.model.generate(**inputs, generation_config=config)
        alone = output[:, inputs["input_ids"].shape[1] :].tolist()
        assert [list(item[setting.name].tokens) for item in together] == alone
        answers.add(str(alone))
    assert len(answers) > 1, "settings without effect prove nothing"


def test_the_answers_are_those_of_separate_runs(family: FamilySubject) -> None:
    settings = [
        NamedSetting("multiply", MATA(alpha=3.0, layers=family.layers)),
        NamedSetting("add", MATA(alpha=8.0, layers=family.layers, formula="add")),
    ]
    assert_one_prefill_is_enough(family, family.small.questions[1], settings)


def test_layers_with_mamba_are_not_chosen_by_knockout() -> None:
    nemotron = subject_of("nemotron_h_omni")
    inputs = nemotron.small.inputs(nemotron.small.questions[1:2])
    with pytest.raises(UnsupportedModelError, match=r"Mamba states.*by gradient"):
        knockout(nemotron.small.model, inputs)
