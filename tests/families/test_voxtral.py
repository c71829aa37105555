"""Voxtral's prompts, which mistral-common writes (test_folders.py covers the rest of Voxtral)."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from families.folders import folder_of
from families.subjects import FamilySubject
from families.test_exactness_of_families import assert_generated_exactly
from families.voxtral_folder import AUDIO, WINDOW_TOKENS, write_tekken, write_voxtral_folder
from mata_audio import ModelLoadError, SettingsError
from mata_audio.doctor.small_models import small_model
from mata_audio.models.finding import find_model
from mata_audio.models.loading import load, load_processor
from mata_audio.models.prompter import Clip, Prompter, PromptStyle
from mata_audio.steering.token_kinds import KINDS, token_kinds, vocabulary
from reference import Steering, double

QUESTIONS = ["w7 w8", "w5", "w6 w9 w6"]


@pytest.fixture(scope="module")
def prompter() -> Prompter:
    return Prompter.of(find_model(folder_of("voxtral")))


def clip(seconds: float, seed: int, loud: float = 0.1) -> Clip:
    noise = np.random.default_rng(seed).standard_normal(round(16_000 * seconds))
    return (loud * noise).astype(np.float32)


CLIPS = [[clip(0.9, 1)], [clip(0.4, 2), clip(1.3, 3)], []]


def test_it_is_steered_exactly() -> None:
    """One clip, two clips and none, against the full scores."""
    loaded = load(folder_of("voxtral"), device="cpu")
    inputs = Prompter.of(loaded).inputs(QUESTIONS, CLIPS)
    heard = (inputs["input_ids"] == AUDIO).sum(1).tolist()
    assert heard == [WINDOW_TOKENS, 2 * WINDOW_TOKENS, 0]
    small = replace(small_model("voxtral"), model=loaded.model, audio_token_id=AUDIO)
    subject = FamilySubject(small, loaded.model, double(loaded.model))
    assert_generated_exactly(subject, inputs, Steering([1, 2]))


def test_where_the_clips_are(prompter: Prompter) -> None:
    """Before the question, one window of tokens per 30 seconds or part thereof."""
    inputs = prompter.inputs(["w7 w8"], [[clip(1, 0), clip(31, 1)]])
    tokens = prompter.processor.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist())
    sound = ["[BEGIN_AUDIO]", *["[AUDIO]"] * WINDOW_TOKENS]
    assert tokens == [
        *("<s>", "[INST]", *sound, *sound, *["[AUDIO]"] * WINDOW_TOKENS),
        *("w7", " w8", "[/INST]"),
    ]
    assert inputs["input_features"].shape[0] == 3


def test_nothing_of_a_clip_is_lost(prompter: Prompter) -> None:
    """Its features are those of the array itself, even beyond full scale."""
    loud = clip(31, 0, loud=3.0)
    assert np.abs(loud).max() > 1
    extractor = prompter.processor.feature_extractor
    padded = np.pad(loud, (0, 960_000 - len(loud)))
    of_array = extractor(padded, sampling_rate=16_000, truncation=False, return_tensors="pt")
    expected = torch.cat(of_array["input_features"].split(3000, dim=2))
    assert torch.equal(prompter.inputs(["w5"], [[loud]])["input_features"], expected)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_is_its_prompts_padded(prompter: Prompter, side: str) -> None:
    batch = prompter.inputs(QUESTIONS, CLIPS, side)
    width = batch["input_ids"].shape[1]
    features = []
    for i, (question, own) in enumerate(zip(QUESTIONS, CLIPS, strict=True)):
        alone = prompter.inputs([question], [own])
        length = alone["input_ids"].shape[1]
        assert alone["attention_mask"].all()
        part = slice(width - length, width) if side == "left" else slice(length)
        assert torch.equal(batch["input_ids"][i, part], alone["input_ids"][0])
        assert batch["attention_mask"][i, part].all()
        assert batch["attention_mask"][i].sum() == length
        features += [alone["input_features"]] if own else []
    assert torch.equal(batch["input_features"], torch.cat(features))


def test_the_text_shows_one_token_a_clip(prompter: Prompter) -> None:
    audio = "[BEGIN_AUDIO][AUDIO]"
    assert prompter.text("w7 é?", 2) == f"<s>[INST]{audio}{audio}w7 é?[/INST]"
    assert prompter.text("w7", 0) == "<s>[INST]w7[/INST]"
    assert prompter.template == f"<s>[INST]{audio}?[/INST]"  # what a run is known by
    style = PromptStyle(audio_first=False, system="w5")
    assert replace(prompter, style=style).text("w7", 1) == (
        f"<s>[SYSTEM_PROMPT]w5[/SYSTEM_PROMPT][INST]w7{audio}[/INST]"
    )


def test_every_word_is_known_and_clips_may_be_long(prompter: Prompter) -> None:
    assert prompter.unknown_words("w7 Größe 音") == []
    assert prompter.limits.longest is None


def test_the_kinds_of_its_tokens(prompter: Prompter) -> None:
    inputs = prompter.inputs(QUESTIONS[:2], CLIPS[:2])
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    known = vocabulary(None, AUDIO, prompter.processor.tokenizer)
    found = [
        [KINDS[kind] for kind in row if kind >= 0] for row in token_kinds(ids, mask, known).tolist()
    ]
    sound = ["special", *["audio"] * WINDOW_TOKENS]
    assert found == [
        ["sink", "special", *sound, "instruction", "instruction", "special"],
        ["sink", "special", *sound, *sound, "instruction", "special"],
    ]


@pytest.mark.parametrize("question", [" ", "w5 [AUDIO]"])
def test_questions_that_are_refused(prompter: Prompter, question: str) -> None:
    with pytest.raises(SettingsError, match=r"empty|must not contain .* \[AUDIO\]"):
        prompter.text(question, 1)
    with pytest.raises(SettingsError, match=r"empty|must not contain .* \[AUDIO\]"):
        prompter.inputs([question], [[clip(1, 0)]])


def test_the_error_quotes_what_the_tokenizer_refuses(prompter: Prompter, tmp_path: Path) -> None:
    """Older tokenizers allow no system prompt next to audio."""
    processor = prompter.processor
    tokenizer = type(processor.tokenizer)(write_tekken(tmp_path, version="v7"))
    older = replace(
        prompter,
        processor=type(processor)(processor.feature_extractor, tokenizer),
        style=PromptStyle(system="w5"),
    )
    assert older.text("w7", 0).endswith("[INST]w7[/INST]")
    with pytest.raises(ModelLoadError, match=r"mistral-common does not write .* Found system mess"):
        older.text("w7", 1)


def test_a_tokenizer_of_another_kind_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("mistral_common")
    from families.processing import tokenizer

    write_voxtral_folder(tmp_path)
    (tmp_path / "tekken.json").unlink()
    found = find_model(tmp_path)
    with pytest.raises(ModelLoadError, match=r"vocab.json or tekken.json\) missing"):
        load_processor(found)
    tokenizer("[AUDIO]").save_pretrained(tmp_path)
    with pytest.raises(ModelLoadError, match=r"has no tekken.json, which mistral-common needs"):
        load_processor(found)


def test_without_mistral_common(tmp_path: Path) -> None:
    """Transformers would then silently build a different tokenizer from tekken.json."""
    write_voxtral_folder(tmp_path)
    command = (
        "import sys; sys.modules['mistral_common'] = None\n"
        "from mata_audio.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", command, "info", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"mata: error: {tmp_path} needs mistral-common to write its prompts: "
        "pip install -U 'mistral-common[audio]'\n"
    )
