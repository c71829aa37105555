"""The doctor's full scores equal the tests' reference, and see every key that the model sees."""

from __future__ import annotations

import pytest
import torch

from families.subjects import subject_of
from mata_audio.doctor.full_scores import FullScores, UnknownFormulaError
from mata_audio.doctor.passes import read, read_full_scores
from mata_audio.doctor.patient import small_patient
from mata_audio.doctor.small_models import VISION_MODEL_TYPES
from mata_audio.doctor.trial_setting import TrialSetting
from mata_audio.steering.formulas import FORMULAS
from reference import Steering, double, reference_logits

TOLERANCE = 1e-5


@pytest.mark.parametrize("formula", list(FORMULAS))
def test_they_are_the_reference(trial: TrialSetting, formula: str) -> None:
    patient, inputs = trial.patient, trial.patient.batch("right")
    real = inputs["attention_mask"].bool()
    got, _ = read_full_scores(patient, inputs, trial.layers, 0.7, formula)
    wanted = reference_logits(
        double(patient.model),
        inputs,
        Steering(trial.layers, formula=formula),
        audio_token_id=patient.located.audio_token_id,
    )
    assert (got - wanted)[real].abs().max() < TOLERANCE
    assert (read(patient, inputs) - wanted)[real].abs().max() > 100 * TOLERANCE


@pytest.mark.parametrize("name", VISION_MODEL_TYPES)
def test_they_are_the_reference_for_images(name: str) -> None:
    subject = subject_of(name)
    patient = small_patient(subject.small)
    inputs = patient.batch("right")
    real = inputs["attention_mask"].bool()
    got, _ = read_full_scores(patient, inputs, subject.layers, 0.7, "absolute")
    steering = Steering(subject.layers, formula="absolute", tokens="image")
    wanted = subject.expected(inputs, steering)
    assert (got - wanted)[real].abs().max() < TOLERANCE
    assert (read(patient, inputs) - wanted)[real].abs().max() > 100 * TOLERANCE


def test_what_gemma_3_sees_of_an_image_matters() -> None:
    """Full scores that ignore it are far from the model, even without a setting."""
    patient = small_patient(subject_of("gemma3").small)
    inputs, located = patient.alone(), patient.located
    scores = FullScores.of_prompts(
        inputs["input_ids"], inputs["attention_mask"], located.ids_of("image"), 0.0, "add"
    )
    with scores.instead(located, located.attending):
        causal = read(patient, inputs)
    full, _ = read_full_scores(patient, inputs, located.attending, 0.0, "add")
    assert (full - read(patient, inputs)).abs().max() < TOLERANCE
    assert (causal - read(patient, inputs)).abs().max() > 100 * TOLERANCE


def test_tokens_of_one_image_see_each_other() -> None:
    """Within each image, in either order, inside the window; even weights show it."""
    ids = torch.tensor([[9, 9, 5, 9, 9, 9, 9, 5]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1, 0]])
    scores = FullScores.of_prompts(ids, mask, [9], 0.0, "add", mutual=[9])
    even = torch.zeros(1, 1, 8, 8)
    for window, seen in (
        (None, ["11", "11", "111", "1111111", "1111111", "1111111", "1111111", "1111111"]),
        (3, ["11", "11", "111", "0111111", "0011111", "0001111", "0000111", "0000011"]),
    ):
        got, _ = scores.attend(None, even, even, torch.eye(8)[None, None], sliding_window=window)
        rows = ["".join(str(int(w > 0)) for w in row).rstrip("0") for row in got[0, :, 0]]
        assert rows == seen


def test_nothing_is_left_behind(trial: TrialSetting) -> None:
    patient, inputs = trial.patient, trial.patient.alone()
    before = read(patient, inputs)
    configs = [id(module.config) for module in patient.located.attentions]
    read_full_scores(patient, inputs, trial.layers, 5.0, "add")
    assert [id(module.config) for module in patient.located.attentions] == configs
    assert torch.equal(read(patient, inputs), before)


def test_active_rows_and_named_keys() -> None:
    ids = torch.tensor([[0, 0, 5, 9, 9, 6], [9, 5, 6, 7, 0, 0]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    scores = FullScores.of_prompts(ids, mask, [9], 0.5, "add", answer=1)
    assert scores.active.int().tolist() == [[0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 0, 0]]
    assert scores.named.int().tolist() == [[0, 0, 0, 1, 1, 0], [1, 0, 0, 0, 0, 0]]
    assert scores.mutual is None


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
    with pytest.raises(UnknownFormulaError, match="do not know the formula 'divide'"):
        FullScores(0.5, "divide", rows, rows, rows)
