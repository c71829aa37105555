"""Second prompts that an evaluation makes: what each differs in from the prompt itself, and how."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mata_audio import SettingsError
from mata_audio.evaluation.running.batch_limit import BATCHINGS, Batching, BatchLimit
from mata_audio.evaluation.running.batches import prepared_batches
from mata_audio.evaluation.running.executor import loaded_model
from mata_audio.evaluation.running.plan import Options, make_plan
from mata_audio.evaluation.running.stacking import stacked, stacked_others
from mata_audio.methods import AAD, GACL, MATA, TCD, VCD, Contrast
from mata_audio.models.one_prefill import generate_all, greedy
from mata_audio.models.other_audio import NOISE_STEP, OTHERS, blurred, noisy
from mata_audio.settings.named import NamedSetting

SETTINGS = [
    NamedSetting("silence", AAD(2.0, view="silence")),
    NamedSetting("nothing", AAD(2.0, view="no-audio")),
    NamedSetting("weaker", AAD(0.3, view="silence")),
    NamedSetting("noise", VCD()),
    NamedSetting("blur", TCD(5.0)),
    NamedSetting("contrast", Contrast(3.0)),
    NamedSetting("mata", MATA(2.0)),
]


def test_noise_is_that_of_the_published_schedule() -> None:
    """The mean and the spread of many draws; figures of the schedule are worked out here."""
    kept = 1.0
    for step in range(NOISE_STEP + 1):
        place = -6 + 12 * step / 999
        kept *= 1 - ((5e-3 - 1e-5) / (1 + math.exp(-place)) + 1e-5)
    features = torch.full((400_000,), 3.0, dtype=torch.float64)
    made = noisy(features, NOISE_STEP, torch.Generator().manual_seed(0))
    assert made.mean().item() == pytest.approx(3 * math.sqrt(kept), abs=0.005)
    assert made.std().item() == pytest.approx(math.sqrt(1 - kept), abs=0.005)
    assert math.sqrt(kept) == pytest.approx(0.863, abs=5e-4)  # as the authors' code has it


def test_blur_keeps_loudness_and_low_tones() -> None:
    seconds = np.arange(16_000) / 16_000
    low, high = (np.sin(2 * np.pi * f * seconds).astype(np.float32) for f in (20, 4_000))
    for clip in (low, high, low + high):
        assert np.sqrt(np.mean(blurred(clip, 320) ** 2)) == pytest.approx(
            np.sqrt(np.mean(clip**2)), rel=1e-4
        )
    left = blurred(low + high, 320)
    spectrum = np.abs(np.fft.rfft(left))
    assert spectrum[20] > 1000 * spectrum[4_000]
    assert np.array_equal(blurred(low[:100], 320), low[:100])  # shorter than the window
    assert not blurred(np.zeros(1_000, np.float32), 320).any()


@pytest.mark.parametrize("batching", BATCHINGS)
def test_an_evaluation_makes_them_and_answers_as_a_program_would(batching: Batching) -> None:
    plan = make_plan("tiny", "tiny", None, SETTINGS, Options(split="tune", limit=12))
    loaded = loaded_model(plan)
    model, tokenizer = loaded.model, loaded.processor.tokenizer
    config, answers = greedy(model, tokenizer, 5), set()
    limit = BatchLimit(prompts=4)
    made = prepared_batches(plan, loaded, plan.items, lambda: limit, pytest.fail, batching)
    for batch in made:
        inputs, others = stacked(batch, loaded), stacked_others(batch, loaded)
        assert set(others) == set(OTHERS)
        found = generate_all(model, inputs, plan.settings, config, None, tokenizer, others)
        for setting in SETTINGS:
            assert setting.method is not None
            with setting.method(model, others=others):
                output = model.generate(**inputs, generation_config=config)
            for row, own in zip(output[:, inputs["input_ids"].shape[1] :], found, strict=True):
                tokens = own[setting.name].tokens
                assert tuple(row[: len(tokens)].tolist()) == tokens
                answers.add((setting.name, tokens))
        for item in batch:
            _check_differences(item.inputs, item.others)
    assert len({tokens for _, tokens in answers}) > 5


def _check_differences(
    inputs: dict[str, torch.Tensor], others: dict[str, dict[str, torch.Tensor]]
) -> None:
    """Silence, noise and blur change the features and nothing else."""
    for name in ("silence", "noise", "blur"):
        for key, value in others[name].items():
            assert torch.equal(value, inputs[key]) != value.is_floating_point(), (name, key)
    audio = inputs["input_ids"].shape[1] - others["no-audio"]["input_ids"].shape[1]
    assert audio > 5
    assert not any("feature" in key for key in others["no-audio"])


def test_what_an_evaluation_cannot_make_is_refused_before_it_starts() -> None:
    with pytest.raises(SettingsError, match="GACL compares with a reference prompt"):
        make_plan("tiny", "tiny", None, GACL())
