"""Writing prompts: several kinds of chat templates, and a processor's limits on clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import models
from families.folders import PARTS, SYSTEM, WORDS
from mata_audio import ModelLoadError, SettingsError
from mata_audio.families import Hearing, PromptStyle
from mata_audio.models.finding import find_model
from mata_audio.models.loading import load_processor
from mata_audio.models.prompter import Prompter

CLIP = "<|audio_bos|><|AUDIO|><|audio_eos|>"


def prompter(
    template: str | None = None,
    *,
    of_the_tokenizer: str | None = None,
    hearing: Hearing | None = None,
    **style: Any,
) -> Prompter:
    processor = models.qwen2_audio_processor()
    processor.chat_template = None if template is None else template.replace("CLIP", CLIP)
    processor.tokenizer.chat_template = of_the_tokenizer
    return Prompter("the model", processor, hearing or Hearing(), PromptStyle(**style))


def test_a_template_of_parts() -> None:
    asked = prompter(PARTS, system="Be brief.")
    assert (
        asked.text("What?", 2).split()
        == f"system Be brief. user {CLIP} {CLIP} What? assistant".split()
    )
    asked = prompter(PARTS, audio_first=False)
    assert asked.text("What?", 1).split() == f"user What? {CLIP} assistant".split()


def test_a_template_that_finds_clips_by_key() -> None:
    """Like Qwen2-Audio's published one, which tests a ``message['type']`` that does not exist."""
    by_key = PARTS.replace("part['type'] == 'audio'", "'audio_url' in part or message['type'] == 1")
    assert by_key != PARTS
    assert prompter(by_key).text("What?", 1).split() == f"user {CLIP} What? assistant".split()


def test_a_template_of_plain_text() -> None:
    """The clips are written into the text; the template may be the tokenizer's."""
    for asked in (prompter(WORDS, system="Be."), prompter(of_the_tokenizer=WORDS, system="Be.")):
        assert asked.text("What?", 2) == "system Be. user <|AUDIO|><|AUDIO|>What? "
    assert prompter(WORDS, audio_first=False).text("Or?", 1) == "user Or?<|AUDIO|> "
    prints = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    assert prompter(prints).text("What?", 0) == "What?"  # not [{'type': 'text', ...


def test_the_template_that_identifies_a_run() -> None:
    """The template in use, whether the processor's or the tokenizer's."""
    assert prompter(PARTS).template == PARTS.replace("CLIP", CLIP)
    assert prompter(of_the_tokenizer=WORDS).template == WORDS


def test_a_question_in_the_turn_of_the_system() -> None:
    asked = prompter(SYSTEM, turn="system", system="Names:")
    assert asked.text("Ada", 1) == f"Names:\nAda {CLIP} "


@pytest.mark.parametrize(
    "template",
    [
        SYSTEM,  # drops what the user says
        "{% for message in messages %}{{ message['content'] }}{% endfor %}CLIP",  # an extra clip
        "the same for all",
    ],
)
def test_a_template_that_leaves_something_out(template: str) -> None:
    with pytest.raises(ModelLoadError, match="the chat template of the model does not write"):
        prompter(template).text("What?", 1)


def test_a_template_that_leaves_the_system_prompt_out() -> None:
    """Like that of VibeVoice-ASR."""
    users = PARTS.replace("in messages", "in messages if message['role'] == 'user'")
    assert "What?" in prompter(users).text("What?", 1)
    with pytest.raises(ModelLoadError, match="does not write the system prompt, the question and"):
        prompter(users, system="Be brief.").text("What?", 1)


def test_a_template_that_fails() -> None:
    with pytest.raises(ModelLoadError, match="cannot be asked: no clips, please"):
        prompter("{{ raise_exception('no clips, please') }}").text("What?", 1)


def test_a_processor_without_an_audio_token(
    qwen2_audio_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = models.qwen2_audio_processor()
    processor.audio_token = None
    monkeypatch.setattr("transformers.AutoProcessor.from_pretrained", lambda *_, **__: processor)
    with pytest.raises(ModelLoadError, match="names no audio token"):
        load_processor(find_model(qwen2_audio_folder))


@pytest.mark.parametrize(
    ("said", "longest"),
    [
        (None, None),
        (30.0, 30.0),
        ("feature_extractor.chunk_length", models.CHUNK_SECONDS),
        ("max_audio_len", None),  # a processor that says nothing
    ],
)
def test_the_longest_clip(said: float | str | None, longest: float | None) -> None:
    limits = prompter(PARTS, hearing=Hearing(longest=said)).limits
    assert limits.longest == longest
    assert (limits.sampling_rate, limits.shortest) == (16_000, 961 / 16_000)


def test_wrong_questions() -> None:
    asked = prompter(PARTS, hearing=Hearing(clips=1))
    for question, words in (("  ", "is empty"), ("<|AUDIO|>?", "must not contain")):
        with pytest.raises(SettingsError, match=words):
            asked.text(question, 1)
    with pytest.raises(SettingsError, match="the model takes at most 1 clip in a prompt; got 2"):
        asked.text("What?", 2)


def test_padding_on_either_side() -> None:
    asked = prompter(PARTS)
    clips = models.clips([0.5, 1.0])
    alone = [
        asked.inputs([text], [[clip]])["input_ids"][0]
        for text, clip in zip("ab", clips, strict=True)
    ]
    width = max(map(len, alone))
    for side in ("left", "right"):
        both = asked.inputs(["a", "b"], [[clip] for clip in clips], side)
        assert both["input_ids"].shape == (2, width)
        for ids, mask, own in zip(both["input_ids"], both["attention_mask"], alone, strict=True):
            assert ids[mask.bool()].tolist() == own.tolist()
            assert bool(mask[-1 if side == "left" else 0])
        assert not both["attention_mask"].all()
