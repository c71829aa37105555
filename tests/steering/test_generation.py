"""Every way of generating gives the reference's logits: sampling, beams, caches, turns."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import transformers
from packaging.version import Version
from transformers import DynamicCache, StaticCache

from checks import (
    NEW_TOKENS,
    QUESTIONS,
    SETTING,
    SETTINGS,
    TOLERANCE,
    assert_close,
    assert_generated_exactly,
    each_setting,
    expected_logits,
    generate_exactly,
    greedy,
    new_tokens,
    prompt_tokens,
    repeated,
)
from mata_audio import MATA, PromptLengthError
from mata_audio.families.versions import NEWEST
from mata_audio.steering import layer as steered_layer
from reference import Steering, double, full_score_attention
from subject import Subject


@each_setting
def test_sampling_with_a_seed(subject: Subject, setting: dict[str, Any]) -> None:
    inputs = subject.inputs(QUESTIONS)
    options = {"do_sample": True, "top_k": 50, "temperature": 0.9}
    sequences = []
    for _ in range(2):
        torch.manual_seed(3)
        output, _ = generate_exactly(subject, inputs, setting, **options)
        sequences.append(output.sequences)
    assert torch.equal(*sequences)


@each_setting
def test_beam_search(subject: Subject, setting: dict[str, Any]) -> None:
    # One clip each: in beam search, Transformers mixes up the clips of samples with several.
    inputs = subject.inputs([QUESTIONS[0], ("Why?", [0.6])])
    beams = {"num_beams": 4, "num_return_sequences": 4, "length_penalty": 0.0}
    options = greedy(subject, **beams, output_logits=False, output_scores=True)
    with MATA(**setting)(subject.model) as applied:
        output = subject.model.generate(**inputs, **options)
    generated = new_tokens(inputs, output)
    steered, baseline = expected_logits(subject, repeated(inputs, 4), generated, **setting)
    chosen = generated[..., None]
    for logits, same in ((steered, True), (baseline, False)):
        # generate() keeps suppressed tokens out of the beams, but not out of the softmax
        scores = logits.log_softmax(-1).gather(2, chosen).sum((1, 2))
        assert torch.allclose(output.sequences_scores.double(), scores, atol=1e-4) == same
    assert applied.receipt.audio_tokens == (25, 15)


def test_several_return_sequences(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS)
    options = greedy(subject, do_sample=True, num_return_sequences=2)
    torch.manual_seed(1)
    with MATA(**SETTING)(subject.model):
        output = subject.model.generate(**inputs, **options)
    assert_generated_exactly(subject, repeated(inputs, 2), output, **SETTING)


@each_setting
def test_assisted_generation(subject: Subject, setting: dict[str, Any]) -> None:
    """A draft that is often wrong: several rows at once, and a cache that is cropped."""
    inputs = subject.inputs(QUESTIONS[:1])
    draft = copy.deepcopy(subject.model)  # the unsteered model: right where MATA changes nothing
    draft.generation_config.num_assistant_tokens = 4
    draft.generation_config.num_assistant_tokens_schedule = "constant"
    draft.generation_config.assistant_confidence_threshold = 0.0
    with MATA(**setting)(subject.model):
        plain = subject.model.generate(**inputs, **greedy(subject))
    output, _ = generate_exactly(subject, inputs, setting, assistant_model=draft)
    assert torch.equal(plain.sequences, output.sequences)


@each_setting
def test_prompt_lookup(subject: Subject, setting: dict[str, Any]) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    generate_exactly(subject, inputs, setting, prompt_lookup_num_tokens=3)


@each_setting
def test_without_a_cache(qwen2_audio: Subject, setting: dict[str, Any]) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS)
    _, receipt = generate_exactly(qwen2_audio, inputs, setting, use_cache=False)
    passes = range(1, NEW_TOKENS + 1)  # pass n has n active rows in each of two samples with audio
    assert receipt.active_rows == 2 * sum(passes)


@each_setting
@pytest.mark.parametrize("implementation", ["dynamic", "static", "offloaded"])
def test_cache_by_name(subject: Subject, setting: dict[str, Any], implementation: str) -> None:
    if implementation == "offloaded" and not torch.cuda.is_available():
        pytest.skip("Transformers offloads a cache from a CUDA device only")
    options = {"cache_implementation": implementation, "disable_compile": True}
    generate_exactly(subject, subject.inputs(QUESTIONS), setting, **options)


old = Version(transformers.__version__) < Version(NEWEST)
in_pieces = pytest.mark.skipif(
    old, reason=f"before {NEWEST}, Transformers reads prompts in pieces wrongly"
)


@pytest.mark.skipif(old, reason=f"before {NEWEST}, Transformers has no fp8 cache")
@each_setting
def test_quantised_cache(qwen2_audio: Subject, setting: dict[str, Any]) -> None:
    """An fp8 cache is lossy, so the reference uses one too.

    Only the last layer is steered, and the others are the same to the last bit: a key that differs
    by 1e-7 may be rounded to another 8-bit value.
    """
    setting = {**setting, "layers": [3]}
    model: Any = copy.deepcopy(qwen2_audio.model)
    model.set_attn_implementation("eager")
    inputs = qwen2_audio.inputs(QUESTIONS)
    options = greedy(qwen2_audio, cache_implementation="quantized", cache_config={"backend": "fp8"})
    with MATA(**setting)(model):
        output = model.generate(**inputs, **options)
    audio = torch.nn.functional.pad(inputs["input_ids"] == qwen2_audio.audio_token_id, (0, 99))
    active = torch.ones_like(audio)
    active[:, : inputs["input_ids"].shape[1] - 1] = False
    real = torch.nn.functional.pad(inputs["attention_mask"].bool(), (0, 99), value=True)
    twin = double(model).float()
    masks = {"active": active, "keys": audio, "real": real}
    how = {"cached": True, "others_stock": True}
    with full_score_attention(twin, Steering(**setting), **masks, **how):
        expected = twin.generate(**inputs, **options)
    assert torch.equal(output.sequences, expected.sequences)
    assert_close(torch.stack(output.logits), torch.stack(expected.logits))
    lossless, _ = expected_logits(qwen2_audio, inputs, new_tokens(inputs, output), **setting)
    assert (output.logits[-1] - lossless[:, -1]).abs().max() > 1e-3, "the cache was quantised"


def end_of_audio(subject: Subject, ids: torch.Tensor) -> int:
    """The place after the last audio token of a single prompt."""
    return int((ids[0] == subject.audio_token_id).nonzero().max()) + 1


@in_pieces
def test_prefill_in_chunks_with_raw_audio_is_refused(subject: Subject) -> None:
    """Transformers refuses it: it cannot split the audio features among the pieces."""
    inputs = subject.inputs(QUESTIONS[:1])
    with pytest.raises(ValueError, match="Chunked prefill cannot split"), MATA()(subject.model):
        subject.model.generate(**inputs, **greedy(subject, prefill_chunk_size=7))


@in_pieces
@each_setting
def test_prefill_in_chunks_after_the_audio(subject: Subject, setting: dict[str, Any]) -> None:
    """In pieces, on a cache that holds the audio: the prompt ends in the last piece."""
    inputs = subject.inputs(QUESTIONS[:1])
    ids = inputs["input_ids"]
    audio_end = end_of_audio(subject, ids)
    head = {**inputs, "input_ids": ids[:, :audio_end]}
    head["attention_mask"] = inputs["attention_mask"][:, :audio_end]
    with torch.no_grad():
        cache = subject.model(**head, use_cache=True).past_key_values
    options = greedy(subject, past_key_values=cache, prefill_chunk_size=5)
    with MATA(**setting)(subject.model):
        output = subject.model.generate(
            input_ids=ids, attention_mask=inputs["attention_mask"], **options
        )
    assert_generated_exactly(subject, inputs, output, **setting)


def test_hand_written_decoding_loop(subject: Subject) -> None:
    """model(**inputs) and then one token at a time with the returned cache."""
    inputs = subject.inputs(QUESTIONS[:1])
    logits, tokens = [], []
    with torch.no_grad(), MATA(**SETTING)(subject.model) as applied:
        output = subject.model(**inputs, use_cache=True)
        for _ in range(4):
            logits.append(output.logits[:, -1])
            tokens.append(output.logits[:, -1, :256].argmax(-1, keepdim=True))
            output = subject.model(input_ids=tokens[-1], past_key_values=output.past_key_values)
    steered, _ = expected_logits(subject, inputs, torch.cat(tokens, 1), **SETTING)
    assert_close(torch.stack(logits, 1), steered)
    assert applied.receipt.active_rows == applied.receipt.forward_passes == 5


def test_hand_written_prefill_in_chunks(qwen2_audio: Subject) -> None:
    """With prompt_length, the last row of a piece is not mistaken for the end of the prompt."""
    model, inputs = qwen2_audio.model, qwen2_audio.inputs(QUESTIONS[:1])
    ids, (length,) = inputs["input_ids"], prompt_tokens(inputs)
    audio_end = end_of_audio(qwen2_audio, ids)
    expected = qwen2_audio.expected(inputs, Steering(**SETTING))
    first = {**inputs, "input_ids": ids[:, :audio_end], "attention_mask": None}
    with torch.no_grad(), MATA(**SETTING)(model, prompt_length=length) as applied:
        cache = model(**first, use_cache=True).past_key_values
        pieces = ids[:, audio_end:].split(5, 1)
        logits = [model(input_ids=piece, past_key_values=cache).logits for piece in pieces]
    assert_close(torch.cat(logits, 1), expected[:, audio_end:])
    assert applied.receipt.active_rows == 1
    assert applied.receipt.audio_tokens == (25,)


def test_pieces_without_prompt_length_are_refused(qwen2_audio: Subject) -> None:
    model, inputs = qwen2_audio.model, qwen2_audio.inputs(QUESTIONS[:1])
    with torch.no_grad(), MATA(**SETTING)(model):
        cache = model(**inputs, use_cache=True).past_key_values
        with pytest.raises(PromptLengthError, match="adds 3 tokens to a cache of"):
            model(input_ids=torch.tensor([[5, 6, 7]]), past_key_values=cache)


def test_foreign_cache_is_refused(qwen2_audio: Subject) -> None:
    model, inputs = qwen2_audio.model, qwen2_audio.inputs(QUESTIONS[:1])
    with torch.no_grad():
        cache = model(**inputs, use_cache=True).past_key_values
        with (
            pytest.raises(PromptLengthError, match="not filled while the model was steered"),
            MATA(**SETTING)(model),
        ):
            model(input_ids=torch.tensor([[5]]), past_key_values=cache)


@pytest.mark.parametrize("cache_class", [DynamicCache, StaticCache])
@pytest.mark.parametrize("whole", [True, False], ids=["all-ids", "new-ids"])
def test_second_turn_reuses_the_cache(subject: Subject, cache_class: type, whole: bool) -> None:
    """Turn two continues turn one's cache; its question is unsteered up to the last token."""
    model, inputs = subject.model, subject.inputs(QUESTIONS[:1])
    config = model.config.get_text_config()
    size = {"max_cache_len": 256} if cache_class is StaticCache else {}
    cache = cache_class(config=config, **size)
    options = greedy(subject, past_key_values=cache, disable_compile=True)
    question = subject.processor.tokenizer("And why?", return_tensors="pt")["input_ids"]
    with MATA(**SETTING)(model) as applied:
        first = model.generate(**inputs, **options)
        ids = torch.cat([first.sequences, question], 1)
        given = ids if whole else ids[:, int(cache.get_seq_length()) :]
        second = model.generate(input_ids=given, attention_mask=torch.ones_like(ids), **options)
    generated = second.sequences[:, given.shape[1] :]
    expected = _two_turns(subject, inputs, first.sequences, question, generated)
    assert_close(torch.stack(second.logits, 1), expected)
    assert applied.receipt.audio_tokens == ((25, 25) if whole else (25,))


def _two_turns(
    subject: Subject,
    inputs: dict[str, torch.Tensor],
    first: torch.Tensor,
    question: torch.Tensor,
    generated: torch.Tensor,
) -> torch.Tensor:
    """Reference for turn two: answer one was steered as it was generated, question two never is."""
    ids = torch.cat([first, question, generated], 1)
    start = inputs["input_ids"].shape[1]
    active = torch.zeros_like(ids, dtype=torch.bool)
    active[:, start - 1 : first.shape[1] - 1] = True  # the last answer token was never fed
    last = first.shape[1] + question.shape[1] - 1
    active[:, last:] = True
    turns = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return subject.expected(turns, Steering(**SETTING, rows=active))[:, last:-1]


def test_a_returned_cache_is_not_left_scaled(qwen2_audio: Subject) -> None:
    """Scaled keys are restored bit for bit when generate() returns or fails."""
    model, inputs = qwen2_audio.model, qwen2_audio.inputs(QUESTIONS)
    plain, steered, broken = (DynamicCache(config=model.config.get_text_config()) for _ in range(3))

    def stop(*_: Any) -> torch.Tensor:
        raise KeyboardInterrupt

    model.generate(**inputs, **greedy(qwen2_audio, past_key_values=plain, max_new_tokens=1))
    with MATA(**SETTING)(model):
        model.generate(**inputs, **greedy(qwen2_audio, past_key_values=steered))
        options = greedy(qwen2_audio, past_key_values=broken, stopping_criteria=[stop])
        with pytest.raises(KeyboardInterrupt):
            model.generate(**inputs, **options)
    kept = inputs["input_ids"].shape[1] - 1
    for layer in range(3):  # layer 3 reads what layer 2 wrote at the last row
        untouched = plain.layers[layer].keys[:, :, :kept]
        for cache in (steered, broken):
            assert torch.equal(cache.layers[layer].keys[:, :, :kept], untouched)


def test_decoding_runs_on_stock_kernels(
    qwen2_audio: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With scaled keys, no row is rewritten after the prompt; without, one is in every step."""
    calls: list[str] = []

    def counting(name: str) -> None:
        attend = getattr(steered_layer, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return attend(*args, **kwargs)

        monkeypatch.setattr(steered_layer, name, counted)

    counting("attend_rows")
    counting("attend_row_to_scaled_keys")
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    rewritten = ["attend_rows"] * 2 * NEW_TOKENS
    expected = [["attend_row_to_scaled_keys"] * 2, rewritten, rewritten]
    for setting, rows in zip(SETTINGS, expected, strict=True):
        calls.clear()
        with MATA(**setting)(qwen2_audio.model):
            qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
        assert calls == rows


def test_a_prefilled_cache_without_the_last_token(subject: Subject) -> None:
    """One prefill for many settings: only the last prompt token runs again for each."""
    inputs = subject.inputs(QUESTIONS[:1])
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    with torch.no_grad():
        cache = subject.model(**inputs, use_cache=True).past_key_values
    prefilled = [layer.keys[:, :, :-1].clone() for layer in cache.layers]
    for setting in [*SETTINGS, SETTING]:
        cache.crop(ids.shape[1] - 1 - int(cache.get_seq_length()))
        options = greedy(subject, past_key_values=cache)
        with MATA(**setting)(subject.model) as applied:
            output = subject.model.generate(input_ids=ids, attention_mask=mask, **options)
        assert_generated_exactly(subject, inputs, output, **setting)
        assert applied.receipt.active_rows == applied.receipt.forward_passes
        for layer, keys in zip(cache.layers, prefilled, strict=True):
            assert torch.equal(layer.keys[:, :, : keys.shape[2]], keys)


def test_an_audio_token_in_the_answer_is_not_audio(omni_thinker: Subject) -> None:
    """A model may generate the audio token's id; only the prompt's count as audio."""
    inputs = omni_thinker.inputs(QUESTIONS[:1])
    forced = [[id_, -torch.inf] for id_ in range(300) if id_ != omni_thinker.audio_token_id]
    options = greedy(omni_thinker, suppress_tokens=[i for i, _ in forced if i < 266])
    with MATA(**SETTING)(omni_thinker.model):
        output = omni_thinker.model.generate(**inputs, **options)
    generated = new_tokens(inputs, output)
    assert (generated == omni_thinker.audio_token_id).all()
    # The same logits as in a hand-written step with that token.
    steps = torch.stack(output.logits, 1)
    with torch.no_grad(), MATA(**SETTING, formula="multiply", heads=range(4))(omni_thinker.model):
        cache = omni_thinker.model(**inputs, use_cache=True).past_key_values
        logits = omni_thinker.model(input_ids=generated[:, :1], past_key_values=cache).logits
    assert (logits[:, 0] - steps[:, 1]).abs().max() < TOLERANCE
