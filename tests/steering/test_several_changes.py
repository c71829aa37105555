"""Several changes of attention at once, of any kinds of keys: exact in every way of use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from checks import QUESTIONS, greedy, new_tokens, prompt_tokens, repeated, using_backend
from families.subjects import subject_of
from mata_audio.notation.keys import read_keys
from mata_audio.notation.rows import PromptRows, read_rows
from mata_audio.steering.formulas import FORMULAS
from mata_audio.steering.rule import Change, Rule
from reference import Steering
from ruled import (
    Inputs,
    Ruled,
    assert_generated_exactly,
    assert_same_logits,
    audio_keys,
    expected_logits,
    view_logits,
)
from steering.test_audio_mask import embedded
from steering.test_prompt_rows import expected_rows
from subject import Subject

FOUR = (
    Change("add", 1.5, layers=(1, 2)),
    Change("multiply", -1.4, "text", layers=(0, 2)),
    Change("mass", 2.0, "special", layers=(1,), heads=(0, 3)),
    Change("value", -0.8, "caption,first", layers=(1, 2), heads=(1, 2)),
)
TWICE = (  # in another order these are not the same
    Change("add", 2.0, layers=(1,)),
    Change("multiply", 1.5, "audio,first", layers=(1,)),
    Change("add", -1.0, layers=(1,)),
    Change("clipped_mass", 3.0, layers=(2,)),
)
LISTS = [FOUR, FOUR[:2], FOUR[2:], TWICE]
each_list = pytest.mark.parametrize("changes", LISTS, ids=["four", "scores", "weights", "twice"])


def kinds_of(subject: Subject, inputs: Inputs, span: Tensor | None = None) -> dict[str, Tensor]:
    """Where each kind of keys is in prompts of :func:`models.prompt`, counted out by hand."""
    ids, real = inputs["input_ids"], inputs["attention_mask"].bool()
    audio = audio_keys(subject, inputs)
    after = 1 + 1 + 1 + len("assistant") + 1  # <|im_end|> and what follows
    text, first = torch.zeros_like(real), torch.zeros_like(real)
    for sample, own in enumerate(real):
        slots = own.nonzero().flatten().tolist()
        first[sample, slots[0]] = True
        before = 1 + len("user\n")
        marks = (
            ids[sample] == subject.processor.tokenizer.convert_tokens_to_ids("<|audio_bos|>")
        ).sum()
        start = before + 2 * int(marks) + int(audio[sample].sum())
        text[sample, slots[start : len(slots) - after]] = True
    caption = torch.zeros_like(real) if span is None else span
    kinds = {
        "audio": audio,
        "text": text,
        "special": real & ~text & ~audio,
        "first": first,
        "caption": caption & real,
    }
    return {**kinds, **{f"{a},{b}": kinds[a] | kinds[b] for a in kinds for b in kinds}}


def some_span(inputs: Inputs) -> Tensor:
    """A span of a few scattered tokens, padding among them."""
    random = torch.Generator().manual_seed(2)
    return torch.rand(inputs["input_ids"].shape, generator=random) < 0.2


def given_to(subject: Subject, inputs: Inputs) -> dict[str, Any]:
    return {"tokenizer": subject.processor.tokenizer, "spans": {"caption": some_span(inputs)}}


def named(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Changes whose keys are named as methods name them."""
    return tuple(Change(**{**vars(own), "keys": read_keys(own.keys)}) for own in changes)


def changing(changes: tuple[Change, ...], rows: str = "last") -> Ruled:
    return Ruled(Rule((named(changes),), rows=read_rows(rows, 0)))


def rows_of(subject: Subject, inputs: Inputs, which: PromptRows) -> Tensor:
    """The changed rows of each prompt."""
    audio, real = audio_keys(subject, inputs), inputs["attention_mask"].bool()
    rows = torch.zeros_like(real)
    for sample in range(len(real)):
        slots = real[sample].nonzero().flatten()
        heard = audio[sample][slots].tolist()
        if any(heard):
            rows[sample, slots[sorted(expected_rows(which, heard))]] = True
    return rows


def keys_in(kinds: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Kinds by the names that methods give them."""
    return {read_keys(name): mask for name, mask in kinds.items()}


@pytest.mark.parametrize("rows", ["last", "all", "after-audio", "last-8"])
@each_list
def test_greedy_batch(subject: Subject, changes: tuple[Change, ...], rows: str) -> None:
    """Unequal lengths; the sample without audio is left alone, whatever is changed."""
    inputs = subject.inputs(QUESTIONS)
    method, given = changing(changes, rows), given_to(subject, inputs)
    plain = subject.model.generate(**inputs, **greedy(subject))
    with method(subject.model, **given):
        output = subject.model.generate(**inputs, **greedy(subject))
    active = rows_of(subject, inputs, read_rows(rows, 0))
    keys = keys_in(kinds_of(subject, inputs, some_span(inputs)))
    assert_generated_exactly(subject, inputs, output, method, keys, active)
    own, others = (torch.stack(out.logits)[:, 2] for out in (output, plain))
    assert (own - others).abs().max() < 1e-5


@each_list
@pytest.mark.parametrize("side", ["left", "right"])
def test_only_the_changed_rows_differ(
    subject: Subject, changes: tuple[Change, ...], side: str
) -> None:
    inputs = subject.inputs(QUESTIONS, side)
    positions = subject.layout.positions(inputs)
    method, given = changing(changes), given_to(subject, inputs)
    with torch.no_grad():
        plain = subject.model(**inputs, **positions).logits
        for backend in ("sdpa", "eager"):
            with using_backend(subject.model, backend), method(subject.model, **given):
                logits = subject.model(**inputs, **positions).logits
            active = rows_of(subject, inputs, PromptRows("last"))
            keys = keys_in(kinds_of(subject, inputs, some_span(inputs)))
            expected = expected_logits(subject, inputs, method, keys=keys, rows=active)
            real = inputs["attention_mask"].bool()
            assert_same_logits(logits[real], expected[real])
            if backend == "sdpa":
                assert torch.equal(logits[real & ~active], plain[real & ~active])


def test_the_order_of_changes_of_scores_counts(subject: Subject) -> None:
    """The reference tells orders apart, so the tests above do."""
    inputs = subject.inputs(QUESTIONS[:1])
    keys = keys_in(kinds_of(subject, inputs))
    logits = [view_logits(subject, inputs, named(own), keys) for own in (TWICE, TWICE[::-1])]
    assert (logits[0] - logits[1]).abs().max() > 1e-3


@each_list
def test_beam_search(subject: Subject, changes: tuple[Change, ...]) -> None:
    inputs = subject.inputs([QUESTIONS[0], ("Why?", [0.6])])
    beams = {"num_beams": 3, "num_return_sequences": 3, "length_penalty": 0.0}
    options = greedy(subject, **beams, output_logits=False, output_scores=True)
    method = changing(changes)
    with method(subject.model, **given_to(subject, inputs)):
        output = subject.model.generate(**inputs, **options)
    generated, every = new_tokens(inputs, output), repeated(inputs, 3)
    keys = keys_in(kinds_of(subject, every, some_span(inputs).repeat_interleave(3, 0)))
    logits = expected_logits(subject, every, method, generated, keys)
    plain = subject.expected(every, Steering([]), generated=generated)
    for found, same in ((logits, True), (plain, False)):
        scores = found.log_softmax(-1).gather(2, generated[..., None]).sum((1, 2))
        assert torch.allclose(output.sequences_scores.double(), scores, atol=1e-4) == same


@each_list
def test_a_prompt_in_pieces(qwen2_audio: Subject, changes: tuple[Change, ...]) -> None:
    """Some end in the middle of a role's name, and the last holds some of the answer."""
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    (length,) = prompt_tokens(inputs)
    kinds = kinds_of(qwen2_audio, inputs, some_span(inputs))
    keys = {name: functional.pad(mask, (0, 3)) for name, mask in keys_in(kinds).items()}
    ids = functional.pad(inputs["input_ids"], (0, 3), value=7)
    spans = {"caption": functional.pad(some_span(inputs), (0, 3), value=True)}
    tokens = {"tokenizer": qwen2_audio.processor.tokenizer, "spans": spans}
    whole = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    end = int((ids[0] == qwen2_audio.audio_token_id).nonzero().max()) + 1
    first = {**inputs, "input_ids": ids[:, :end], "attention_mask": None}
    for rows in ("last", "last-8"):
        method = changing(changes, rows)
        with torch.no_grad(), method(qwen2_audio.model, prompt_length=length, **tokens):
            cache = qwen2_audio.model(**first, use_cache=True).past_key_values
            logits = [
                qwen2_audio.model(input_ids=piece, past_key_values=cache).logits
                for piece in ids[:, end:].split(5, 1)
            ]
        active = torch.zeros_like(ids, dtype=torch.bool)
        active[:, length - (8 if rows == "last-8" else 1) :] = True
        expected = expected_logits(qwen2_audio, whole, method, keys=keys, rows=active)
        assert_same_logits(torch.cat(logits, 1), expected[:, end:])


@each_list
def test_a_cached_start_that_is_named(subject: Subject, changes: tuple[Change, ...]) -> None:
    """Filled without the method, up to the middle of the question."""
    inputs = subject.inputs(QUESTIONS[:1])
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    with torch.no_grad():
        cache = subject.model(**inputs, use_cache=True).past_key_values
    cache.crop(-9)
    method = changing(changes, "last-8")
    with torch.no_grad(), method(subject.model, **given_to(subject, inputs)) as applied:
        applied.adopt(cache, ids, mask)
        logits = subject.model(input_ids=ids[:, -9:], past_key_values=cache).logits
    active = torch.zeros_like(ids, dtype=torch.bool)
    active[:, -8:] = True
    keys = keys_in(kinds_of(subject, inputs, some_span(inputs)))
    expected = expected_logits(subject, inputs, method, keys=keys, rows=active)
    assert_same_logits(logits, expected[:, -9:])


@pytest.mark.parametrize("whole", [True, False], ids=["all-ids", "new-ids"])
def test_a_second_turn(subject: Subject, whole: bool) -> None:
    """Its text is that of both questions; the model's own words are no text."""
    changes = (Change("multiply", -1.4, "text", layers=(1,)), Change("add", 1.0, layers=(2,)))
    method, words = changing(changes), subject.processor.tokenizer
    inputs = subject.inputs(QUESTIONS[:1])
    asked = "<|im_end|>\n<|im_start|>user\nAnd why?<|im_end|>\n<|im_start|>assistant\n"
    question = words(asked, return_tensors="pt")["input_ids"]
    with method(subject.model, tokenizer=words):
        first = subject.model.generate(**inputs, **greedy(subject))
        cache = first.past_key_values
        ids = torch.cat([first.sequences, question], 1)
        given = ids if whole else ids[:, int(cache.get_seq_length()) :]
        options = greedy(subject, past_key_values=cache)
        second = subject.model.generate(
            input_ids=given, attention_mask=torch.ones_like(ids), **options
        )
    start, width = inputs["input_ids"].shape[1], first.sequences.shape[1]
    generated = second.sequences[:, given.shape[1] :]
    rows = torch.zeros_like(ids, dtype=torch.bool)
    rows[:, -1] = True
    text = torch.zeros_like(rows)
    text[:, :start] = kinds_of(subject, inputs)["text"]
    tail = 1 + 1 + 1 + len("assistant") + 1
    text[:, -tail - len("And why?") : -tail] = True
    talk = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    # Rows of turn one do not see the second question, so its text changes nothing there.
    rows[:, start - 1 : width - 1] = True
    expected = expected_logits(subject, talk, method, generated, {"text": text}, rows)
    assert_same_logits(torch.stack(second.logits, 1), expected)


def test_a_prompt_of_embeddings_with_spans(qwen2_audio: Subject) -> None:
    """What tokens are is not known of embeddings, but where the spans are is."""
    inputs = qwen2_audio.inputs(QUESTIONS)
    prompt, audio = embedded(qwen2_audio, inputs)
    kinds = kinds_of(qwen2_audio, inputs, some_span(inputs))
    spans = {"caption": some_span(inputs), "text": kinds["text"]}
    changes = (*FOUR[:2], FOUR[3], Change("mass", 2.0, "audio,text", layers=(1,)))
    method = changing(changes)
    with method(qwen2_audio.model, audio_mask=audio, spans=spans):
        output = qwen2_audio.model.generate(**prompt, **greedy(qwen2_audio))
    expected = expected_logits(qwen2_audio, inputs, method, output.sequences, keys_in(kinds))
    assert_same_logits(torch.stack(output.logits, 1), expected)


@pytest.mark.parametrize("model_type", ["qwen3_omni_moe_thinker", "gemma3n", "gemma4", "voxtral"])
@pytest.mark.parametrize("rows", ["last", "all"])
def test_families(model_type: str, rows: str) -> None:
    """Windows that drop keys of any kind, keys that layers share, and a row state."""
    family = subject_of(model_type)
    inputs = family.small.inputs(family.small.questions)
    first, second = list(family.layers)[:2]
    changes = (
        Change("add", 1.5, layers=(first, second)),
        Change("multiply", -1.4, "caption", layers=(first, second)),
        Change("mass", 2.0, "first", layers=(second,), heads=(0, 3)),
        Change("value", -0.8, "audio,first", layers=(first,)),
    )
    method, span = changing(changes, rows), some_span(inputs)
    with method(family.small.model, spans={"caption": span}):
        output = family.model.generate(**inputs, **greedy(family))
    real = inputs["attention_mask"].bool()
    start = real & (real.cumsum(1) == 1)
    audio = audio_keys(family, inputs)
    keys = {"caption": span & real, "first": start, "audio,first": audio | start}
    active = rows_of(family, inputs, read_rows(rows, 0))  # type: ignore[arg-type]
    assert_generated_exactly(family, inputs, output, method, keys, active)


layers = st.lists(st.integers(0, 3), min_size=1, unique=True).map(lambda own: tuple(sorted(own)))
heads = st.none() | st.lists(st.integers(0, 3), min_size=1, unique=True).map(
    lambda own: tuple(sorted(own))
)
kinds_drawn = st.sampled_from(["audio", "text", "special", "first", "caption", "audio,text"])
changes_drawn = st.lists(
    st.builds(
        Change,
        formula=st.sampled_from(list(FORMULAS)),
        alpha=st.floats(-1.5, 2.5).map(lambda alpha: round(alpha, 2)),
        keys=kinds_drawn,
        layers=layers,
        heads=heads,
    ),
    min_size=1,
    max_size=4,
).map(tuple)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=changes_drawn, rows=st.sampled_from(["last", "all", "after-audio", "last-8"]))
def test_any_list_of_changes(qwen2_audio: Subject, changes: tuple[Change, ...], rows: str) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS)
    positions, method = qwen2_audio.layout.positions(inputs), changing(changes, rows)
    with torch.no_grad(), method(qwen2_audio.model, **given_to(qwen2_audio, inputs)):
        logits = qwen2_audio.model(**inputs, **positions).logits
    active = rows_of(qwen2_audio, inputs, read_rows(rows, 0))
    keys = keys_in(kinds_of(qwen2_audio, inputs, some_span(inputs)))
    expected = expected_logits(qwen2_audio, inputs, method, keys=keys, rows=active)
    real = inputs["attention_mask"].bool()
    assert_same_logits(logits[real], expected[real])
