"""One prefill for all settings gives what separate runs give, even if a cache drops old keys."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from families.subjects import FamilySubject, subject_of
from mata_audio import MATA, UnsupportedModelError
from mata_audio.evaluation.choosing.knockout import knockout
from mata_audio.models.one_prefill import generate_all, greedy
from mata_audio.settings.named import NamedSetting


def test_the_answers_are_those_of_separate_runs(family: FamilySubject) -> None:
    question = family.small.questions[1]
    inputs = family.small.inputs([question, question._replace(seed=9)])
    words: Any = SimpleNamespace(eos_token_id=1, pad_token_id=0)
    config = greedy(family.model, words, max_new_tokens=5)
    config.update(suppress_tokens=[0, 1, 2, *range(96, 128)])
    settings = [
        NamedSetting("baseline", None),
        NamedSetting("multiply", MATA(alpha=3.0, layers=family.layers)),
        NamedSetting("add", MATA(alpha=8.0, layers=family.layers, formula="add")),
    ]
    together = generate_all(family.small.model, inputs, settings, config)
    answers = set()
    for setting in settings:
        alone = _alone(family, inputs, setting.mata, config)
        assert [list(item[setting.name].tokens) for item in together] == alone
        answers.add(str(alone))
    assert len(answers) > 1, "settings without effect prove nothing"


def _alone(family: FamilySubject, inputs: Any, mata: MATA | None, config: Any) -> list[list[int]]:
    width = inputs["input_ids"].shape[1]
    if mata is None:
        output = family.model.generate(**inputs, generation_config=config)
    else:
        with mata(family.small.model):
            output = family.model.generate(**inputs, generation_config=config)
    assert isinstance(output, torch.Tensor)
    answers: list[list[int]] = output[:, width:].tolist()
    return answers


def test_layers_with_mamba_are_not_chosen_by_knockout() -> None:
    nemotron = subject_of("nemotron_h_omni")
    inputs = nemotron.small.inputs(nemotron.small.questions[1:2])
    with pytest.raises(UnsupportedModelError, match=r"Mamba states.*by gradient"):
        knockout(nemotron.small.model, inputs)
