"""The doctor's full scores equal those that the tests write out in float64, and hide no key."""

from __future__ import annotations

import pytest
import torch

from mata_audio.doctor.exam import Exam
from mata_audio.doctor.full_scores import FullScores
from mata_audio.doctor.passes import read, read_full_scores
from reference import reference_logits

TOLERANCE = 1e-5


@pytest.mark.parametrize("formula", ["multiply", "absolute", "add"])
def test_they_are_the_reference(exam: Exam, formula: str) -> None:
    patient, inputs = exam.patient, exam.patient.batch("right")
    real = inputs["attention_mask"].bool()
    got, _ = read_full_scores(patient, inputs, exam.layers, 0.7, formula)
    wanted = reference_logits(
        patient.model,
        inputs,
        audio_token_id=patient.located.audio_token_id,
        prompt_tokens=real.sum(1).tolist(),
        layers=exam.layers,
        alpha=0.7,
        formula=formula,
    )
    assert (got - wanted)[real].abs().max() < TOLERANCE
    assert (read(patient, inputs) - wanted)[real].abs().max() > 100 * TOLERANCE


def test_nothing_is_left_behind(exam: Exam) -> None:
    patient, inputs = exam.patient, exam.patient.alone()
    before = read(patient, inputs)
    configs = [id(module.config) for module in patient.located.attentions]
    read_full_scores(patient, inputs, exam.layers, 5.0, "add")
    assert [id(module.config) for module in patient.located.attentions] == configs
    assert torch.equal(read(patient, inputs), before)


def test_active_rows_and_audio() -> None:
    ids = torch.tensor([[0, 0, 5, 9, 9, 6], [9, 5, 6, 7, 0, 0]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    scores = FullScores.of_prompts(ids, mask, 9, 0.5, "add", answer=1)
    assert scores.active.int().tolist() == [[0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 0, 0]]
    assert scores.audio.int().tolist() == [[0, 0, 0, 1, 1, 0], [1, 0, 0, 0, 0, 0]]


def test_caps_windows_and_groups() -> None:
    """Against loops over every score."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, n, 5, 3, generator=generator) for n in (4, 2, 2))
    active = torch.tensor([[False, False, False, True, True]])
    audio = torch.tensor([[True, False, True, True, False]])
    real = torch.tensor([[False, True, True, True, True]])
    scores = FullScores(0.5, "absolute", active, audio, real)
    got, _ = scores.attend(None, query, key, value, scaling=0.7, softcap=2.0, sliding_window=3)
    counted = 0
    for head in range(4):
        for row in range(1, 5):
            seen = list(range(max(1, row - 2), row + 1))
            weights = []
            for j in seen:
                score = 0.7 * float(query[0, head, row] @ key[0, head // 2, j])
                if row >= 3 and j in (2, 3):
                    counted += score < 0
                    score += 0.5 * abs(score)
                weights.append(torch.exp(2 * torch.tanh(torch.tensor(score / 2))))
            total = sum(weights)
            mixed = sum(
                w / total * value[0, head // 2, j] for w, j in zip(weights, seen, strict=True)
            )
            torch.testing.assert_close(got[0, row, head], mixed)
    assert scores.below_zero == counted
    assert scores.seen == 4 * (2 + 2)


def test_an_unknown_formula_is_refused() -> None:
    rows = torch.ones(1, 2, dtype=torch.bool)
    states = torch.randn(1, 1, 2, 4)
    with pytest.raises(ValueError, match="no such formula: 'divide'"):
        FullScores(0.5, "divide", rows, rows, rows).attend(None, states, states, states)
