"""Every family from a folder, with its real processor: asked, examined and evaluated."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from doctor.refused_methods import refused, skipped
from families.folders import FOLDERS, folder_of
from families.subjects import subject_of
from mata_audio import MATA, SettingsError
from mata_audio.doctor.examine import examine
from mata_audio.doctor.patient import loaded_patient
from mata_audio.doctor.small_models import small_model
from mata_audio.evaluation import evaluate
from mata_audio.families import FAMILIES
from mata_audio.families.versions import NEWEST
from mata_audio.models.finding import find_model
from mata_audio.models.loading import Loaded, load, load_processor
from mata_audio.models.prompter import Prompter
from mata_audio.profiling import timeline
from models import generated


def loaded_of(model_type: str) -> Loaded:
    subject_of(model_type)  # skips if Transformers is too old for it
    folder = folder_of(model_type)
    if model_type == "gemma3n":  # its vision encoder cannot be loaded without timm
        found = find_model(folder)
        return Loaded(small_model(model_type).model, load_processor(found), "gemma3n", found.family)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* has no speech-lora folder")
        return load(folder, device="cpu")


def noise(prompter: Prompter, seconds: float) -> np.ndarray:
    count = round(seconds * prompter.limits.sampling_rate)
    return (0.1 * np.random.default_rng(0).standard_normal(count)).astype(np.float32)


@pytest.mark.parametrize("model_type", FOLDERS)
def test_it_is_asked_about_clips(model_type: str) -> None:
    loaded = loaded_of(model_type)
    prompter = Prompter.of(loaded)
    clips = [noise(prompter, 0.9), noise(prompter, 0.3)][: prompter.hearing.clips]
    inputs = prompter.inputs(["w7 w8"], [clips])
    tokens = prompter.processor.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist())
    words = [token.strip() for token in tokens]
    assert words.count("w7") == 1
    assert words.index("w8") == words.index("w7") + 1
    with MATA()(loaded.model) as applied:
        assert generated(loaded, inputs, 2)[0]
    assert applied.receipt.audio_tokens == (words.count(prompter.processor.audio_token),)
    if prompter.hearing.clips == 1:
        with pytest.raises(SettingsError, match="takes at most 1 clip in a prompt; got 2"):
            prompter.inputs(["w5"], [[clips[0], clips[0]]])


@pytest.mark.parametrize("model_type", FOLDERS)
def test_limits_are_where_the_processor_cuts(model_type: str) -> None:
    """The longest clip is as documented: features of a longer one are cut exactly there."""
    prompter = Prompter.of(loaded_of(model_type))
    longest = prompter.limits.longest
    shown = 40.0 if longest is None else longest
    if shown > 60:
        shown = 2.0  # of several windows, far from the bound
    one = prompter.inputs(["w5"], [[noise(prompter, shown)]])
    two = prompter.inputs(["w5"], [[noise(prompter, 1.5 * shown)]])
    sounds = [name for name in one if name not in ("input_ids", "attention_mask")]
    same = all(
        one[name].shape == two[name].shape and torch.equal(one[name], two[name]) for name in sounds
    )
    assert same == (longest == shown)


@pytest.mark.parametrize("model_type", FOLDERS)
def test_its_shortest_clip_is_heard(model_type: str) -> None:
    loaded = loaded_of(model_type)
    prompter = Prompter.of(loaded)
    inputs = prompter.inputs(["w5"], [[noise(prompter, prompter.limits.shortest + 1e-4)]])
    with torch.no_grad():
        assert loaded.model(**inputs).logits.isfinite().all()


@pytest.mark.parametrize("model_type", FOLDERS)
def test_the_doctor_examines_it(model_type: str) -> None:
    report = examine(loaded_patient(loaded_of(model_type)))
    assert report.failures == []
    # An old VibeVoice differs without its cache; Qwen3-ASR's prompts end with the audio.
    if transformers.__version__ == NEWEST and model_type != "qwen3_asr":
        assert skipped(report.checks) == refused(model_type)
    # In a batch, Granite and Phi-4 differ even unsteered: their encoders see the padding.
    alone = [check for check in report.checks if not check.name.startswith("batch")]
    differences = [check.difference for check in alone if check.difference is not None]
    assert len(differences) >= 9
    assert max(differences) < 1e-5


@pytest.mark.parametrize("model_type", FOLDERS)
def test_it_is_evaluated(model_type: str, tmp_path: Path) -> None:
    loaded = loaded_of(model_type)
    options = {"limit": 3, "batch_size": 2, "max_new_tokens": 3}
    results = evaluate(loaded, "tiny", tmp_path, settings=[MATA(alpha=3)], **options)
    assert [item.error for item in results.items] == [None] * 3
    assert len(results.items) == 3


def test_moments_of_a_clip_with_timestamps_between_its_tokens() -> None:
    loaded = loaded_of("moss_transcribe_diarize")
    prompter = Prompter.of(loaded)
    clip = noise(prompter, 5.0)
    found = timeline(loaded.model, prompter.inputs(["w5"], [[clip]]), 5.0)
    assert set(found.clips.tolist()) == {0}
    assert found.ends[-1] == pytest.approx(5.0)
    assert len(found.ends) > 3 * 12  # at 12.5 a second


def test_moments_of_a_clip_that_is_padded() -> None:
    """Gemma 3n pads every clip to thirty seconds."""
    subject = subject_of("gemma3n")
    inputs = subject.small.inputs(subject.small.questions[1:2])
    found = timeline(subject.model, inputs, [5.0, 12.0])
    assert np.bincount(found.clips).tolist() == list(subject.small.questions[1].clips)
    for clip in (0, 1):
        assert found.ends[found.clips == clip][-1] == pytest.approx(30.0)


def test_the_longest_clip_of_every_family_is_known() -> None:
    bounded = {own.model_type for own in FAMILIES if own.hearing.longest is not None}
    assert bounded == {
        "qwen2_audio",
        "qwen2_5_omni",
        "qwen2_5_omni_thinker",
        "audioflamingo3",
        "musicflamingo",
        "glmasr",
        "gemma3n",
        "gemma4",
    }
