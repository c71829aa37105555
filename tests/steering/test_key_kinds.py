"""Kinds of keys: found where they are, whatever the prompt, or refused with a reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import models
from checks import QUESTIONS, greedy
from families.subjects import subject_of
from mata_audio import SettingsError, SettingsTypeError, attachment_of
from mata_audio.doctor.small_models.vocabulary import AUDIO, IMAGE
from mata_audio.notation.keys import KEYS, read_keys
from mata_audio.steering.key_kinds import KeyKinds
from mata_audio.steering.rule import Change, Rule
from mata_audio.steering.token_kinds import vocabulary
from reference import Steering
from ruled import Ruled, assert_generated_exactly, assert_same_logits
from steering.test_audio_mask import embedded
from steering.test_several_changes import kinds_of, some_span
from subject import Subject

WORDS = models.tokenizer()
MARK = WORDS.convert_tokens_to_ids("<|AUDIO|>")
CONFIG: Any = SimpleNamespace(audio_token_id=MARK)

DIALOGUE = [
    ("<|im_start|>", "special"),
    ("system\n", "special"),
    ("Be brief.", "system"),
    ("<|im_end|>", "special"),
    ("\n", "special"),
    ("<|im_start|>", "special"),
    ("user\n", "special"),
    ("<|audio_bos|>", "special"),
    ("<|AUDIO|>" * 5, "audio"),
    ("<|audio_eos|>", "special"),
    ("What is it?", "instruction"),
    ("<|im_end|>", "special"),
    ("\n", "special"),
    ("<|im_start|>", "special"),
    ("assistant\n", "special"),
    ("A dog.", "said"),
    ("<|im_end|>", "special"),
    ("\n", "special"),
    ("<|im_start|>", "special"),
    ("user\n", "special"),
    ("Sure?", "instruction"),
    ("<|im_end|>", "special"),
    ("\n", "special"),
    ("<|im_start|>", "special"),
    ("assistant\n", "special"),
]
"""Two turns, piece by piece, with the kind of each piece."""


def changing(keys: str, **more: Any) -> Ruled:
    return Ruled(Rule(((Change("add", 1.0, read_keys(keys), layers=(1,)),),), **more))


def found(keys: str, ids: Tensor, real: Tensor) -> Tensor:
    """Where keys of a kind are in prompts."""
    kinds = KeyKinds((keys,), {"audio": MARK}, vocabulary(CONFIG, MARK, WORDS), heard="audio")
    audio = (ids == MARK).numpy()
    return torch.from_numpy(kinds.masks(ids.numpy(), audio, real.numpy())[keys])


@given(
    shown=st.integers(9, len(DIALOGUE)),
    padding=st.integers(0, 3),
    left=st.booleans(),
    keys=st.sampled_from(["text", "system", "instruction", "special", "audio", "text,special"]),
)
def test_a_dialogue(shown: int, padding: int, left: bool, keys: str) -> None:
    """From the first clip on, up to any piece of it; padding is no key."""
    pieces = [(WORDS(text)["input_ids"], kind) for text, kind in DIALOGUE[:shown]]
    wanted = set(keys.split(",")) | ({"system", "instruction"} if "text" in keys else set())
    ids = [token for tokens, _ in pieces for token in tokens]
    expected = [kind in wanted for tokens, kind in pieces for _ in tokens]
    fill, nothing = [WORDS.pad_token_id] * padding, [False] * padding
    ids = fill + ids if left else ids + fill
    expected = nothing + expected if left else expected + nothing
    real = torch.tensor(ids) != WORDS.pad_token_id
    got = found(keys, torch.tensor([ids]), real[None])
    assert got[0].tolist() == expected


def test_an_answer_that_follows_holds_no_keys() -> None:
    ids = torch.tensor([WORDS("<|AUDIO|><|AUDIO|>word")["input_ids"]])
    prompt = torch.ones_like(ids, dtype=torch.bool)
    prompt[:, -2:] = False
    assert found("text", ids, prompt)[0].tolist() == [False, False, True, True, False, False]


def test_a_prompt_without_a_chat_template_is_all_text_but_for_its_marks() -> None:
    ids = torch.tensor([WORDS("<|audio_bos|><|AUDIO|><|audio_eos|>Yes?")["input_ids"]])
    every = torch.ones_like(ids, dtype=torch.bool)
    assert found("instruction", ids, every)[0].tolist() == [False] * 3 + [True] * 4
    assert found("special", ids, every)[0].tolist() == [True, False, True] + [False] * 4


def test_text_is_not_what_a_mask_calls_audio() -> None:
    """Whatever its ids: some models have no token for audio, or embeddings stand for it."""
    ids = np.array([WORDS("some words")["input_ids"]])
    audio = np.zeros_like(ids, dtype=bool)
    audio[:, 2:6] = True
    every = np.ones_like(audio)
    words = vocabulary(CONFIG, MARK, WORDS)
    kinds = KeyKinds(("text", "audio,first"), {}, words, heard="audio").masks(ids, audio, every)
    assert np.array_equal(kinds["text"], ~audio)
    first = np.arange(ids.shape[1]) == 0
    assert np.array_equal(kinds["audio,first"], audio | first)


@given(names=st.lists(st.sampled_from([*KEYS, "caption", "b-side"]), min_size=1))
def test_names_have_one_form(names: list[str]) -> None:
    keys = read_keys(", ".join(names))
    assert set(keys.split(",")) == set(names)
    assert len(keys.split(",")) == len(set(names))
    assert read_keys(",".join(reversed(keys.split(",")))) == read_keys(keys) == keys


@pytest.mark.parametrize("keys", ["", "text,", "Caption", "1st", "a b", "x" * 41])
def test_names_that_no_span_may_have(keys: str) -> None:
    with pytest.raises(SettingsError, match="keys must be out of audio"):
        read_keys(keys)


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ("text", r"keys='text' needs the tokenizer.*tokenizer=processor\.tokenizer"),
        ("special,audio", "keys='special' needs the tokenizer"),
        ("image", "the model has no image tokens, which keys='image' asks for; it has audio"),
        ("caption", r"no span is called 'caption': mark it, method\(model, spans=\{'caption'"),
        ("audio,captoin", "no span is called 'captoin'.*or name one of audio, image"),
    ],
)
def test_kinds_that_cannot_be_found(qwen2_audio: Subject, keys: str, match: str) -> None:
    method = changing(keys)
    with pytest.raises(SettingsError, match=match):
        method.attach(qwen2_audio.model, spans={"other": torch.ones(1, 9, dtype=torch.bool)})
    assert attachment_of(qwen2_audio.model) is None


@pytest.mark.parametrize("mask", [[True, False], torch.ones(9, dtype=torch.bool), None])
def test_spans_that_are_no_masks(qwen2_audio: Subject, mask: Any) -> None:
    with pytest.raises(SettingsTypeError, match="the span 'caption' must be a bool tensor"):
        changing("caption").attach(qwen2_audio.model, spans={"caption": mask})


@pytest.mark.parametrize("shape", [(3, -1), (3, 1), (2, 0), (4, 0)], ids=str)
def test_spans_that_do_not_fit(qwen2_audio: Subject, shape: tuple[int, int]) -> None:
    """Too short, too long, or for other samples; never shifted silently."""
    inputs = qwen2_audio.inputs(QUESTIONS)
    rows, more = shape
    span = torch.ones(rows, inputs["input_ids"].shape[1] + more, dtype=torch.bool)
    method = changing("caption")
    for call in (qwen2_audio.model.generate, qwen2_audio.model.__call__):
        with (
            method(qwen2_audio.model, spans={"caption": span}),
            pytest.raises(SettingsError, match="the span 'caption' has the shape"),
        ):
            call(**inputs)


def test_words_among_embeddings_are_refused(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS)
    prompt, audio = embedded(qwen2_audio, inputs)
    words = qwen2_audio.processor.tokenizer
    given_masks = {"audio_mask": audio, "tokenizer": words}
    with (
        changing("text")(qwen2_audio.model, **given_masks),
        pytest.raises(SettingsError, match="do not show which tokens are text: mark them"),
    ):
        qwen2_audio.model.generate(**prompt, **greedy(qwen2_audio))


def test_images_beside_audio() -> None:
    """The kinds of tokens that the model has need no tokenizer; those heard decide which rows."""
    family = subject_of("qwen2_5_omni_thinker")
    if family.small.images is None:
        pytest.skip("this small model takes no images")
    sample = family.small.questions[0]._replace(images=[family.small.images.tokens[0]])
    inputs = family.small.inputs([sample, family.small.questions[2]])
    ids = inputs["input_ids"]
    for tokens, keys in (("audio", "image"), ("image", "audio"), ("image", "audio,image")):
        rule = Rule(((Change("add", 2.0, keys, layers=(1, 2)),),), tokens=tokens)
        with Ruled(rule)(family.small.model):
            output = family.model.generate(**inputs, **greedy(family))
        places = {"image": ids == IMAGE, "audio": ids == AUDIO}
        places["audio,image"] = places["audio"] | places["image"]
        assert_generated_exactly(family, inputs, output, Ruled(rule), places)


def test_a_span_may_take_the_name_of_a_kind(qwen2_audio: Subject) -> None:
    """So that words can be marked without a tokenizer."""
    inputs = qwen2_audio.inputs(QUESTIONS)
    method, logits = changing("text"), []
    text = kinds_of(qwen2_audio, inputs)["text"]
    for how in ({"spans": {"text": text}}, {"tokenizer": qwen2_audio.processor.tokenizer}):
        with method(qwen2_audio.model, **how):
            output = qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
        logits.append(torch.stack(output.logits))
    assert torch.equal(*logits)
    assert_generated_exactly(qwen2_audio, inputs, output, method, {"text": text})


def test_some_audio_and_other_keys(qwen2_audio: Subject) -> None:
    """A mask says which of the clips is meant, also where audio is named beside other kinds."""
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    audio = inputs["input_ids"] == qwen2_audio.audio_token_id
    half = audio & (audio.cumsum(1) <= audio.sum() // 2)
    span = some_span(inputs)
    method = changing("audio,caption")
    with torch.no_grad(), method(qwen2_audio.model, audio_mask=half, spans={"caption": span}):
        logits = qwen2_audio.model(**inputs).logits
    also = [(Steering([1], 1.0, "add"), half | span)]
    expected = qwen2_audio.expected(inputs, Steering([]), also=also)
    assert_same_logits(logits, expected)
