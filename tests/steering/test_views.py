"""Several views of one prompt: every way of generating is exact, or refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache

from checks import (
    NEW_TOKENS,
    QUESTIONS,
    greedy,
    new_tokens,
    prompt_tokens,
    repeated,
    using_backend,
)
from mata_audio import CacheError, SettingsError
from mata_audio.methods.contrast import Contrast
from mata_audio.methods.method import Method
from mata_audio.steering.rule import Rule
from reference import Steering
from ruled import (
    CONTRAST,
    METHODS,
    THREE_VIEWS,
    Ruled,
    assert_generated_exactly,
    assert_same_logits,
    expected_logits,
    generate_exactly,
)
from steering.test_audio_mask import embedded
from steering.test_nesting import OTHERS, inside
from subject import Subject
from traces import traces

each_method = pytest.mark.parametrize("method", METHODS, ids=["contrast", "aad", "three-views"])
contrast_or_three = pytest.mark.parametrize(
    "method", [CONTRAST, THREE_VIEWS], ids=["contrast", "three-views"]
)


@pytest.fixture(autouse=True)
def untouched(subject: Subject) -> Iterator[None]:
    """Nothing is left in the model after any of these, but what static caches leave."""

    def now() -> dict[str, Any]:
        found = traces(subject.model)
        return {name: value for name, value in found.items() if "max_cache_length" not in name}

    before = now()
    yield
    assert now() == before


@pytest.mark.parametrize("backend", ["sdpa", "eager"])
@each_method
def test_greedy_batch(subject: Subject, method: Method, backend: str) -> None:
    """Unequal lengths, two clips, and a sample without audio."""
    with using_backend(subject.model, backend):
        generate_exactly(subject, subject.inputs(QUESTIONS), method)


@contrast_or_three
def test_sampling_with_a_seed(subject: Subject, method: Method) -> None:
    inputs, sequences = subject.inputs(QUESTIONS), []
    for _ in range(2):
        torch.manual_seed(3)
        output = generate_exactly(subject, inputs, method, do_sample=True, temperature=0.9)
        sequences.append(output.sequences)
    assert torch.equal(*sequences)


@contrast_or_three
def test_several_return_sequences(subject: Subject, method: Method) -> None:
    torch.manual_seed(1)
    inputs, options = subject.inputs(QUESTIONS), {"do_sample": True, "num_return_sequences": 2}
    output = generate_exactly(subject, inputs, method, 2, **options)
    assert len(set(map(str, output.sequences.tolist()))) > 3, "all answers are alike"


@contrast_or_three
def test_beam_search(subject: Subject, method: Method) -> None:
    # One clip each: in beam search, Transformers mixes up the clips of samples with several.
    inputs = subject.inputs([QUESTIONS[0], ("Why?", [0.6])])
    beams = {"num_beams": 3, "num_return_sequences": 3, "length_penalty": 0.0}
    options = greedy(subject, **beams, output_logits=False, output_scores=True)
    with method(subject.model):
        output = subject.model.generate(**inputs, **options)
    generated = new_tokens(inputs, output)
    moved = [len(set(own.tolist()) - {-1}) > 1 for own in output.beam_indices]
    assert any(moved), "beams that are never reordered prove nothing"
    every = repeated(inputs, 3)
    plain = subject.expected(every, Steering([]), generated=generated)
    for logits, same in (
        (expected_logits(subject, every, method, generated), True),
        (plain, False),
    ):
        # generate() keeps suppressed tokens out of the beams, but not out of the softmax
        scores = logits.log_softmax(-1).gather(2, generated[..., None]).sum((1, 2))
        assert torch.allclose(output.sequences_scores.double(), scores, atol=1e-4) == same


def test_beams_are_those_of_the_combined_logits(subject: Subject) -> None:
    """With one beam, and with as many that one never moves, the answer is the greedy one."""
    inputs = subject.inputs(QUESTIONS[:1])
    alone = generate_exactly(subject, inputs, CONTRAST)
    again = generate_exactly(subject, inputs, CONTRAST, num_return_sequences=1)
    assert torch.equal(alone.sequences, again.sequences)


def test_a_batch_without_audio_is_the_unsteered_model_to_the_last_bit(subject: Subject) -> None:
    inputs = subject.inputs([QUESTIONS[2], ("Another one without.", [])])
    plain = subject.model.generate(**inputs, **greedy(subject))
    with Contrast(alpha=8.0, on_no_audio="ignore")(subject.model) as applied:
        output = subject.model.generate(**inputs, **greedy(subject))
    assert torch.equal(torch.stack(output.logits), torch.stack(plain.logits))
    assert applied.receipt.active_rows == 0


@contrast_or_three
def test_prompt_lookup(subject: Subject, method: Method) -> None:
    """Several rows of the answer at once, and a cache that is cropped."""
    rows: list[int] = []
    hook = subject.layout.decoder_in(subject.model).register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(kwargs["inputs_embeds"].shape[1]),
        with_kwargs=True,
    )
    inputs = subject.inputs([("aaaaaaaab", [1.0])])
    letters = subject.processor.tokenizer("ab")["input_ids"]  # so that there is much to look up
    options = {"suppress_tokens": [own for own in range(266) if own not in letters]}
    try:
        plain = generate_exactly(subject, inputs, method, **options)
        rows.clear()
        output = generate_exactly(subject, inputs, method, prompt_lookup_num_tokens=3, **options)
    finally:
        hook.remove()
    assert torch.equal(plain.sequences, output.sequences)
    assert max(rows[1:]) > 1, "nothing was looked up"


@contrast_or_three
def test_assisted_generation(subject: Subject, method: Method) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    draft = copy.deepcopy(subject.model)  # right where the method changes nothing
    draft.generation_config.num_assistant_tokens = 4
    draft.generation_config.num_assistant_tokens_schedule = "constant"
    draft.generation_config.assistant_confidence_threshold = 0.0
    plain = generate_exactly(subject, inputs, method)
    output = generate_exactly(subject, inputs, method, assistant_model=draft)
    assert torch.equal(plain.sequences, output.sequences)


@contrast_or_three
def test_without_a_cache(qwen2_audio: Subject, method: Method) -> None:
    output = generate_exactly(qwen2_audio, qwen2_audio.inputs(QUESTIONS), method, use_cache=False)
    assert output.past_key_values is None


@contrast_or_three
def test_a_streamer(subject: Subject, method: Method) -> None:
    class Streamer:
        def __init__(self) -> None:
            self.tokens: list[int] = []

        def put(self, value: Tensor) -> None:
            self.tokens += value.flatten().tolist()

        def end(self) -> None:
            self.tokens.append(-1)

    streamer, inputs = Streamer(), subject.inputs(QUESTIONS[:1])
    output = generate_exactly(subject, inputs, method, streamer=streamer)
    assert streamer.tokens == [*output.sequences[0].tolist(), -1]


@contrast_or_three
def test_prefill_in_chunks_after_the_audio(subject: Subject, method: Method) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    end = int((ids[0] == subject.audio_token_id).nonzero().max()) + 1
    with torch.no_grad():
        start = {**inputs, "input_ids": ids[:, :end], "attention_mask": mask[:, :end]}
        cache = subject.model(**start, use_cache=True).past_key_values
    options = greedy(subject, past_key_values=cache, prefill_chunk_size=5)
    with method(subject.model):
        output = subject.model.generate(input_ids=ids, attention_mask=mask, **options)
    assert_generated_exactly(subject, inputs, output, method)


@contrast_or_three
def test_a_prefilled_cache_without_the_last_token(subject: Subject, method: Method) -> None:
    inputs = subject.inputs(QUESTIONS[:2])
    positions = subject.layout.positions(inputs)
    with torch.no_grad():
        cache = subject.model(**inputs, **positions, use_cache=True).past_key_values
    cache.crop(-1)
    own = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with method(subject.model) as applied:
        output = subject.model.generate(**own, **greedy(subject, past_key_values=cache))
    assert_generated_exactly(subject, inputs, output, method)
    assert applied.receipt.active_rows == 2 * NEW_TOKENS


@contrast_or_three
@pytest.mark.parametrize("audio_mask", [True, False], ids=["embeddings", "beside-their-ids"])
def test_a_prompt_of_embeddings(qwen2_audio: Subject, method: Method, audio_mask: bool) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS)
    prompt, audio = embedded(qwen2_audio, inputs)
    if audio_mask:
        with method(qwen2_audio.model, audio_mask=audio):
            output = qwen2_audio.model.generate(**prompt, **greedy(qwen2_audio))
        generated = output.sequences
    else:
        given = {**prompt, "input_ids": inputs["input_ids"]}
        with method(qwen2_audio.model):
            output = qwen2_audio.model.generate(**given, **greedy(qwen2_audio))
        generated = new_tokens(inputs, output)
    expected = expected_logits(qwen2_audio, inputs, method, generated)
    assert_same_logits(torch.stack(output.logits, 1), expected)


@pytest.mark.parametrize("whole", [True, False], ids=["all-ids", "new-ids"])
def test_a_second_turn_continues_as_the_first_view_heard(subject: Subject, whole: bool) -> None:
    """Both views of turn two read turn one as the model itself does."""
    inputs = subject.inputs(QUESTIONS[:1])
    question = subject.processor.tokenizer("And why?", return_tensors="pt")["input_ids"]
    cache = DynamicCache(config=subject.model.config.get_text_config())
    options = greedy(subject, past_key_values=cache)
    with CONTRAST(subject.model):
        first = subject.model.generate(**inputs, **options)
        ids = torch.cat([first.sequences, question], 1)
        given = ids if whole else ids[:, int(cache.get_seq_length()) :]
        second = subject.model.generate(
            input_ids=given, attention_mask=torch.ones_like(ids), **options
        )
    assert_generated_exactly(subject, inputs, first, CONTRAST)
    talk = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    generated = second.sequences[:, given.shape[1] :]
    expected = expected_logits(subject, talk, CONTRAST, generated)
    assert_same_logits(torch.stack(second.logits, 1), expected)


@contrast_or_three
@pytest.mark.parametrize(
    "cache", [{"cache_implementation": "static"}, {"cache_implementation": "quantized"}], ids=str
)
def test_caches_that_cannot_hold_views_are_refused(
    qwen2_audio: Subject, method: Method, cache: dict[str, Any]
) -> None:
    if cache["cache_implementation"] == "quantized":
        cache = {**cache, "cache_config": {"backend": "fp8"}}
    inputs = qwen2_audio.inputs(QUESTIONS)
    options = greedy(qwen2_audio, **cache, disable_compile=True)
    with method(qwen2_audio.model), pytest.raises(CacheError, match="cannot hold several views"):
        qwen2_audio.model.generate(**inputs, **options)


@contrast_or_three
def test_the_returned_cache_is_that_of_the_first_view(subject: Subject, method: Method) -> None:
    inputs = subject.inputs(QUESTIONS)
    cache, own = (DynamicCache(config=subject.model.config.get_text_config()) for _ in range(2))
    with method(subject.model):
        output = subject.model.generate(**inputs, **greedy(subject, past_key_values=cache))
    assert output.past_key_values is cache
    assert "reorder_cache" not in vars(cache)
    whole = {**inputs, "input_ids": output.sequences[:, :-1]}
    whole["attention_mask"] = functional.pad(inputs["attention_mask"], (0, NEW_TOKENS - 1), value=1)
    given = {**whole, **subject.layout.positions(whole), "past_key_values": own}
    first_view = Ruled(Rule(method.rule().views[:1]))
    with torch.no_grad(), first_view(subject.model, prompt_length=prompt_tokens(inputs)):
        subject.model(**given, use_cache=True)
    for layer, expected in zip(cache.layers, own.layers, strict=True):
        assert layer.keys.shape == expected.keys.shape
        real = whole["attention_mask"].bool()
        for name in ("keys", "values"):
            got, want = (getattr(each, name).transpose(1, 2)[real] for each in (layer, expected))
            assert (got - want).abs().max() < 1e-5


@contrast_or_three
def test_after_an_error_in_generate_everything_is_as_before(
    subject: Subject, method: Method
) -> None:
    inputs = subject.inputs(QUESTIONS)
    cache = DynamicCache(config=subject.model.config.get_text_config())
    steps: list[int] = []

    def stop(ids: Tensor, scores: Tensor) -> Tensor:
        steps.append(1)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return torch.zeros(len(ids), dtype=torch.bool)

    with method(subject.model):
        options = greedy(subject, past_key_values=cache, stopping_criteria=[stop])
        with pytest.raises(KeyboardInterrupt):
            subject.model.generate(**inputs, **options)
        assert "reorder_cache" not in vars(cache)
        assert {layer.keys.shape[0] for layer in cache.layers} == {len(QUESTIONS)}
        assert cache.get_seq_length() == inputs["input_ids"].shape[1] + 2
        output = subject.model.generate(**inputs, **greedy(subject))
    assert_generated_exactly(subject, inputs, output, method)


@contrast_or_three
@pytest.mark.parametrize("where", ["processor", "streamer"])
def test_another_prompt_inside(subject: Subject, method: Method, where: str) -> None:
    outer, inner = subject.inputs(QUESTIONS[:1]), subject.inputs(OTHERS[:1], seed=5)
    last = torch.zeros_like(inner["input_ids"], dtype=torch.bool)
    last[:, -1] = True
    passes, generations = [], []

    def call() -> None:
        with torch.no_grad():
            passes.append(subject.model(**inner))
        generations.append(subject.model.generate(**inner, **greedy(subject, max_new_tokens=2)))

    with method(subject.model):
        output = subject.model.generate(**outer, **greedy(subject), **inside(where, call))
    assert_generated_exactly(subject, outer, output, method)
    expected = expected_logits(subject, inner, method, rows=last)
    for own in passes:
        assert_same_logits(own.logits, expected)
        assert {layer.keys.shape[0] for layer in own.past_key_values.layers} == {1}
    assert_generated_exactly(subject, inner, generations[0], method)
    assert len(passes) == len(generations) >= NEW_TOKENS


@contrast_or_three
def test_threads_take_turns(subject: Subject, method: Method) -> None:
    prompts = [subject.inputs([(f"What? {'?' * n}", [0.5 + 0.1 * n])], seed=n) for n in range(4)]
    with method(subject.model), ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda own: subject.model.generate(**own, **greedy(subject)), prompts)
        )
    for inputs, output in zip(prompts, found, strict=True):
        assert_generated_exactly(subject, inputs, output, method)


@pytest.mark.parametrize("asked", ["output_hidden_states", "output_attentions"])
def test_what_several_views_do_not_have_one_of_is_refused(subject: Subject, asked: str) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    with CONTRAST(subject.model), pytest.raises(SettingsError, match=f"{asked} is not defined"):
        subject.model.generate(**inputs, **greedy(subject, **{asked: True}))
