"""Caches that the caller's code changes, copies or fills elsewhere: exact, or refused."""

from __future__ import annotations

import copy
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import DynamicCache, StaticCache

from checks import (
    QUESTIONS,
    SETTING,
    assert_close,
    assert_generated_exactly,
    each_setting,
    greedy,
)
from mata_audio import MATA, CacheError, MataError, PromptLengthError, SettingsError
from reference import Steering
from subject import Subject

TWO = [("What is this?", [1.0]), ("Which clip is longer, and why is it?", [0.5])]


def read(subject: Subject, inputs: dict[str, Tensor], cache: Any = None) -> tuple[Any, Tensor]:
    """Read a left-padded batch of prompts; return the cache and the tokens that follow."""
    out = subject.model(
        **inputs, **subject.layout.positions(inputs), past_key_values=cache, use_cache=True
    )
    return out.past_key_values, out.logits[:, -1, :256].argmax(-1, keepdim=True)


def step(subject: Subject, tokens: Tensor, cache: Any, mask: Tensor) -> Tensor:
    """Read one token a sample; return its logits, shape (batch, vocabulary)."""
    given = {"attention_mask": mask}
    if subject.layout.counts_positions:  # Omni models fail with a mask longer than the new tokens
        assert mask.all()
        given = {}
    positions = {name: value[:, -1:] for name, value in subject.layout.positions(given).items()}
    out = subject.model(input_ids=tokens, past_key_values=cache, **given, **positions)
    return out.logits[:, -1]


def keep(cache: Any, slots: int) -> None:
    """Crop a cache to its first slots."""
    cache.crop(slots - int(cache.get_seq_length()))


def longer(mask: Tensor, by: int = 1) -> Tensor:
    return torch.nn.functional.pad(mask, (0, by), value=1)


def rows(inputs: dict[str, Tensor], order: list[int]) -> dict[str, Tensor]:
    return {name: value[order] for name, value in inputs.items()}


@each_setting
@pytest.mark.parametrize("order", [[1, 0], [0], [1], [0, 1, 0, 1], [0, 0, 1, 1]])
def test_samples_that_are_moved_are_refused(
    qwen2_audio: Subject, setting: dict[str, Any], order: list[int]
) -> None:
    inputs = qwen2_audio.inputs(TWO)
    with torch.no_grad(), MATA(**setting)(qwen2_audio.model):
        cache, tokens = read(qwen2_audio, inputs)
        cache.batch_select_indices(torch.tensor(order))
        mask = longer(inputs["attention_mask"][order])
        with pytest.raises(CacheError, match="adopt"):
            step(qwen2_audio, tokens[order], cache, mask)


@each_setting
@pytest.mark.parametrize("order", [[1, 0], [0], [0, 1, 0, 1]])
def test_moved_samples_that_are_named_are_exact(
    qwen2_audio: Subject, setting: dict[str, Any], order: list[int]
) -> None:
    inputs = qwen2_audio.inputs(TWO)
    with torch.no_grad(), MATA(**setting)(qwen2_audio.model) as applied:
        cache, tokens = read(qwen2_audio, inputs)
        cache.batch_select_indices(torch.tensor(order))
        ids, mask = inputs["input_ids"][order], inputs["attention_mask"][order]
        applied.adopt(cache, ids, mask, steered=True)
        logits = step(qwen2_audio, tokens[order], cache, longer(mask))
    whole = {**inputs, "input_ids": torch.cat([inputs["input_ids"], tokens], 1)}
    whole["attention_mask"] = longer(inputs["attention_mask"])
    lengths = inputs["attention_mask"].sum(1).tolist()
    expected = qwen2_audio.expected(whole, Steering(**setting), prompt_tokens=lengths)
    assert_close(logits, expected[order, -1])


@pytest.mark.parametrize("order", [[2, 0, 1], [1], [0, 0, 1, 1, 2, 2]])
def test_samples_of_one_prompt_may_be_moved(subject: Subject, order: list[int]) -> None:
    """Beams of one's own: whichever sample goes on, its prompt is the same."""
    one = subject.inputs(QUESTIONS[:1])
    inputs = {name: value.repeat_interleave(3, 0) for name, value in one.items()}
    with torch.no_grad(), MATA(**SETTING)(subject.model):
        cache, _ = read(subject, inputs)
        tokens = torch.tensor([[5], [6], [7]])
        mask = longer(inputs["attention_mask"])
        step(subject, tokens, cache, mask)
        cache.batch_select_indices(torch.tensor(order))
        logits = step(subject, tokens[order], cache, longer(mask[:1].repeat(len(order), 1)))
    for place, number in enumerate(order):
        generated = torch.cat([tokens[[number]], tokens[[number]], tokens[:1]], 1)
        expected = subject.expected(one, Steering(**SETTING), generated=generated)
        assert_close(logits[place], expected[0, 2])


def test_gains_by_sample_do_not_move(qwen2_audio: Subject) -> None:
    from mata_audio.families import locate
    from mata_audio.steering.attachment import Attachment
    from mata_audio.steering.gain_tensor import KeyGains

    one = qwen2_audio.inputs(QUESTIONS[:1])
    inputs = {name: value.repeat_interleave(2, 0) for name, value in one.items()}
    located = locate(qwen2_audio.model)
    gains = torch.zeros(located.depth, 2, located.heads)
    gains[1, 1] = 0.5
    with torch.no_grad(), Attachment(located, [KeyGains(gains)]):
        cache, tokens = read(qwen2_audio, inputs)
        cache.reorder_cache(torch.tensor([1, 0]))
        with pytest.raises(CacheError, match="reordered"):
            step(qwen2_audio, tokens, cache, longer(inputs["attention_mask"]))


def drop_half(cache: Any) -> None:
    """Drop every other key, as compression methods drop some."""
    for layer in cache.layers:
        layer.keys, layer.values = layer.keys[:, :, ::2], layer.values[:, :, ::2]


def in_the_last_layer(module: Any, args: Any, kwargs: Any, output: Any) -> None:
    if output[0].shape[1] > 1:
        drop_half(kwargs["past_key_values"])


@pytest.mark.parametrize("when", ["between", "within"])
@pytest.mark.parametrize("how", ["forward", "generate"])
def test_dropped_keys_are_refused(qwen2_audio: Subject, when: str, how: str) -> None:
    """Between two passes, or within one, from a hook."""
    inputs, model = qwen2_audio.inputs(QUESTIONS[:1]), qwen2_audio.model
    cache = DynamicCache(config=model.config.get_text_config())

    def between(*_: Any) -> Tensor:
        drop_half(cache)
        return torch.zeros(1, dtype=torch.bool)

    def loop() -> None:
        _, tokens = read(qwen2_audio, inputs, cache)
        if when == "between":
            drop_half(cache)
        model(input_ids=tokens, past_key_values=cache)

    def generate() -> None:
        criteria = [between] if when == "between" else None
        options = greedy(qwen2_audio, past_key_values=cache, stopping_criteria=criteria)
        model.generate(**inputs, **options)

    last = model.model.language_model.layers[-1].self_attn
    hook = last.register_forward_hook(in_the_last_layer, with_kwargs=True)
    if when == "between":
        hook.remove()
    run = loop if how == "forward" else generate
    try:
        with torch.no_grad(), pytest.raises(CacheError, match="dropped"), MATA(**SETTING)(model):
            run()
    finally:
        hook.remove()


@each_setting
def test_a_crop_within_the_answer(subject: Subject, setting: dict[str, Any]) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    mask, width = inputs["attention_mask"], inputs["input_ids"].shape[1]
    with torch.no_grad(), MATA(**setting)(subject.model):
        cache, _ = read(subject, inputs)
        for token in (5, 6, 7):
            mask = longer(mask)
            step(subject, torch.tensor([[token]]), cache, mask)
        keep(cache, width + 1)
        logits = step(subject, torch.tensor([[9]]), cache, longer(inputs["attention_mask"], 2))
    generated = torch.tensor([[5, 9, 0]])
    expected = subject.expected(inputs, Steering(**setting), generated=generated)
    assert_close(logits, expected[:, 2])


@each_setting
def test_a_crop_into_the_prompt(subject: Subject, setting: dict[str, Any]) -> None:
    """The same last token may be read again; another question is refused, token by token too."""
    inputs = subject.inputs(QUESTIONS[:1])
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    width = ids.shape[1]
    with torch.no_grad(), MATA(**setting)(subject.model):
        cache, _ = read(subject, inputs)
        keep(cache, width - 1)
        logits = step(subject, ids[:, -1:], cache, mask)
        keep(cache, width - 4)
        with pytest.raises(PromptLengthError, match="cropped"):
            step(subject, ids[:, -4:-3], cache, mask[:, :-3])
        with pytest.raises(PromptLengthError, match="cropped"):
            step(subject, torch.tensor([[77]]), cache, mask[:, :-3])
    assert_close(logits, subject.expected(inputs, Steering(**setting))[:, -1])


@each_setting
def test_a_crop_and_another_question_with_its_length(
    subject: Subject, setting: dict[str, Any]
) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    kept, question = ids.shape[1] - 4, torch.tensor([[70, 71, 72, 73, 74, 75]])
    whole = {**inputs, "input_ids": torch.cat([ids[:, :kept], question], 1)}
    whole["attention_mask"] = torch.ones_like(whole["input_ids"])
    length = kept + question.shape[1]
    logits = []
    with torch.no_grad(), MATA(**setting)(subject.model, prompt_length=length):
        cache, _ = read(
            subject, {**inputs, "input_ids": ids[:, :kept], "attention_mask": mask[:, :kept]}
        )
        for place, token in enumerate(question[0]):
            now = whole["attention_mask"][:, : kept + place + 1]
            logits.append(step(subject, token[None, None], cache, now))
    expected = subject.expected(whole, Steering(**setting))
    assert_close(torch.stack(logits, 1), expected[:, kept:])


def head(inputs: dict[str, Tensor], slots: int) -> dict[str, Tensor]:
    """The first slots of a single prompt, with all its audio."""
    part = {name: inputs[name][:, :slots] for name in ("input_ids", "attention_mask")}
    return {**inputs, **part}


@pytest.mark.parametrize("where", ["before", "inside", "inside, with length", "cropped"])
@each_setting
def test_one_clip_and_many_questions(subject: Subject, setting: dict[str, Any], where: str) -> None:
    """A clip read before the block is exact for each question; read inside, it is refused."""
    questions = [
        subject.inputs([(text, [1.0])]) for text in ("What is this?", "And how long is it? Say so.")
    ]
    ids = questions[0]["input_ids"][0]
    slots = int((ids == subject.audio_token_id).nonzero().max()) + 2
    prefix = head(questions[0], slots)
    if where == "before":
        with torch.no_grad():
            kept = subject.model(**prefix, use_cache=True).past_key_values

    def ask(inputs: dict[str, Tensor], cache: Any) -> Any:
        own = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        options = greedy(subject, past_key_values=cache, max_new_tokens=3)
        return subject.model.generate(**own, **options)

    if where == "inside":
        with torch.no_grad(), MATA(**setting)(subject.model):
            kept = subject.model(**prefix, use_cache=True).past_key_values
            with pytest.raises(CacheError, match="before the block"):
                ask(questions[0], kept)
        return
    if where == "inside, with length":
        length = questions[0]["input_ids"].shape[1]
        with torch.no_grad(), MATA(**setting)(subject.model, prompt_length=length):
            kept = subject.model(**prefix, use_cache=True).past_key_values
            output = ask(questions[0], kept)
        assert_generated_exactly(subject, questions[0], output, **setting)
        return
    asked, outputs = [questions[1], questions[0], questions[1]], []
    with torch.no_grad(), MATA(**setting)(subject.model):
        if where == "cropped":
            kept = DynamicCache(config=subject.model.config.get_text_config())
            own = {"past_key_values": kept, "max_new_tokens": 3}
            outputs.append(subject.model.generate(**questions[0], **greedy(subject, **own)))
            asked.insert(0, questions[0])
            keep(kept, slots)
        for inputs in asked[len(outputs) :]:
            outputs.append(ask(inputs, kept))
            keep(kept, slots)
    for inputs, output in zip(asked, outputs, strict=True):
        assert_generated_exactly(subject, inputs, output, **setting)


def test_a_cache_of_another_prompt_is_refused(subject: Subject) -> None:
    first, second = subject.inputs(QUESTIONS[:1]), subject.inputs([("Tell me more!", [1.0])])
    cache = DynamicCache(config=subject.model.config.get_text_config())
    with MATA(**SETTING)(subject.model):
        subject.model.generate(**first, **greedy(subject, past_key_values=cache))
        with pytest.raises(CacheError, match="another prompt"):
            subject.model.generate(**second, **greedy(subject, past_key_values=cache))


def test_a_second_turn_of_one_of_several_answers(subject: Subject) -> None:
    """A cache of three answers to one prompt, of which one is kept and goes on."""
    one = subject.inputs(QUESTIONS[:1])
    three = {name: value.repeat_interleave(3, 0) for name, value in one.items()}
    turns = []
    with MATA(**SETTING)(subject.model):
        for inputs in (one, three):
            cache = DynamicCache(config=subject.model.config.get_text_config())
            options = greedy(subject, past_key_values=cache, max_new_tokens=3)
            ids = subject.model.generate(**inputs, **options).sequences[-1:]
            if inputs is three:
                cache.batch_select_indices(torch.tensor([2]))
            ids = torch.cat([ids, torch.tensor([[70, 71, 72]])], 1)
            given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            turns.append(subject.model.generate(**given, **options))
    assert torch.equal(turns[0].sequences, turns[1].sequences)
    assert_close(torch.stack(turns[1].logits), torch.stack(turns[0].logits))


@pytest.mark.parametrize("rows", ["all", "last-8", "random-9"])
def test_rows_that_were_filled_unsteered_are_refused(subject: Subject, rows: str) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    with torch.no_grad():
        cache = subject.model(**inputs, use_cache=True).past_key_values
    cache.crop(-1)
    mata = MATA(**SETTING, rows=rows)
    with mata(subject.model) as applied:
        own = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        with pytest.raises(SettingsError, match="filled without it"):
            subject.model.generate(**own, **greedy(subject, past_key_values=cache))
        with pytest.raises(SettingsError, match="filled without it"):
            applied.adopt(cache, inputs["input_ids"])
        subject.model.generate(**inputs, **greedy(subject))


def test_a_copied_cache_is_named(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    with torch.no_grad(), MATA(**SETTING)(subject.model) as applied:
        cache, token = read(subject, inputs)
        copied = copy.deepcopy(cache)
        with pytest.raises(CacheError, match=r"applied\.adopt\(cache, ids, mask\)"):
            step(subject, token, copied, longer(mask))
        with pytest.raises(SettingsError, match="filled without it"):
            applied.adopt(copied, ids, mask)
        applied.adopt(copied, ids, mask, steered=True)
        logits = step(subject, token, copied, longer(mask))
    generated = torch.cat([token, token], 1)
    assert_close(logits, subject.expected(inputs, Steering(**SETTING), generated=generated)[:, 1])


def test_adopting_wrongly_is_refused(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    with torch.no_grad():
        cache = subject.model(**inputs, use_cache=True).past_key_values
        cache.crop(-3)
        applied = MATA(**SETTING).attach(subject.model)
        try:
            applied.adopt(cache, ids, mask)
            with pytest.raises(CacheError, match="those that follow"):
                step(subject, torch.tensor([[3]]), cache, mask[:, :-2])
        finally:
            applied.detach()
    with pytest.raises(MataError, match="no longer steered"):
        applied.adopt(cache, ids, mask)


@each_setting
@pytest.mark.parametrize("full", [1, 2, 3])
def test_a_static_cache_whose_first_layers_are_full(
    qwen2_audio: Subject, setting: dict[str, Any], full: int
) -> None:
    """The first layer counts all slots; later ones slide and have dropped the oldest."""
    model: Any = copy.deepcopy(qwen2_audio.model)
    config, window = model.config.get_text_config(), 40
    config.update({"use_sliding_window": True, "sliding_window": window})
    config.layer_types = ["full_attention"] * full + ["sliding_attention"] * (4 - full)
    model.model.language_model.has_sliding_layers = True
    for layer, kind in zip(model.model.language_model.layers, config.layer_types, strict=True):
        layer.self_attn.sliding_window = window if kind == "sliding_attention" else None
        layer.self_attn.layer_type = layer.attention_type = kind
    subject = Subject(model, qwen2_audio.processor, qwen2_audio.audio_token_id)
    inputs = subject.inputs(QUESTIONS[:1])
    setting = {**setting, "layers": [1, 2, 3]}
    options = greedy(subject, max_new_tokens=12, disable_compile=True)
    outputs = []
    for implementation in ("dynamic", "static"):
        with MATA(**setting)(model):
            outputs.append(model.generate(**inputs, **options, cache_implementation=implementation))
    cache = StaticCache(config=config, max_cache_len=256)
    assert {type(layer).__name__ for layer in cache.layers} == {
        "StaticLayer", "StaticSlidingWindowLayer",
    }  # fmt: skip
    whole = inputs["input_ids"].shape[1]
    assert whole > window - 12, "the window must drop audio while the answer is written"
    assert torch.equal(outputs[0].sequences, outputs[1].sequences)
    assert_close(torch.stack(outputs[1].logits), torch.stack(outputs[0].logits))


surgery = st.sampled_from(
    ["none", "reorder", "drop", "tile", "crop answer", "crop", "halve", "copy"]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    operations=st.lists(surgery, min_size=1, max_size=4),
    batch=st.sampled_from([TWO, TWO[:1], [TWO[0], TWO[0]]]),
    data=st.data(),
)
def test_any_surgery_is_exact_or_refused(
    qwen2_audio: Subject, operations: list[str], batch: Any, data: st.DataObject
) -> None:
    """A loop of one's own that changes its cache between steps, against whole sequences."""
    inputs = qwen2_audio.inputs(batch)
    lengths = inputs["attention_mask"].sum(1).tolist()
    sequences, mask = inputs["input_ids"], inputs["attention_mask"]
    width = sequences.shape[1]
    origin = list(range(len(batch)))  # which prompt each sample of the cache is
    found: list[tuple[dict[str, Tensor], list[int], Tensor]] = []
    with torch.no_grad(), MATA(**SETTING, on_no_audio="ignore")(qwen2_audio.model):
        cache, _ = read(qwen2_audio, inputs)
        for operation in operations:
            order = list(range(len(origin)))
            if operation == "reorder":
                order = order[::-1]
            elif operation == "drop":
                order = order[:1]
            elif operation == "tile" and len(order) < 4:
                order = order * 2
            elif operation == "crop answer":
                sequences, mask = sequences[:, : width + 1], mask[:, : width + 1]
                keep(cache, sequences.shape[1])
            elif operation == "crop":
                keep(cache, width - 2)
                sequences, mask = sequences[:, : width - 2], mask[:, : width - 2]
            elif operation == "halve":
                drop_half(cache)
            elif operation == "copy":
                cache = copy.deepcopy(cache)
            if order != list(range(len(origin))):
                cache.batch_select_indices(torch.tensor(order))
            origin = [origin[place] for place in order]
            token = data.draw(st.integers(0, 255), label="token")
            tokens = torch.full((len(origin), 1), token)
            sequences, mask = torch.cat([sequences[order], tokens], 1), longer(mask[order])
            try:
                logits = step(qwen2_audio, tokens, cache, mask)
            except MataError:
                break
            whole = {**rows(inputs, origin), "input_ids": sequences, "attention_mask": mask}
            found.append((whole, [lengths[number] for number in origin], logits))
    for whole, prompt_tokens, logits in found:
        expected = qwen2_audio.expected(whole, Steering(**SETTING), prompt_tokens=prompt_tokens)
        assert_close(logits, expected[:, -1])


EXAMPLE = Path(__file__).parents[2] / "examples" / "one_clip_many_questions.py"


@each_setting
def test_the_example_reads_the_clip_once(subject: Subject, setting: dict[str, Any]) -> None:
    example = runpy.run_path(str(EXAMPLE))
    prompts = [
        subject.inputs([(text, [1.0])]) for text in ("What is this?", "And how long is it? Say.")
    ]
    encoded: list[int] = []
    tower = subject.model.get_submodule(
        "model.audio_tower" if hasattr(subject.model.model, "audio_tower") else "audio_tower"
    )
    hook = tower.register_forward_hook(lambda *_: encoded.append(1))
    options = greedy(subject, return_dict_in_generate=False)
    try:
        answers = example["ask"](subject.model, prompts, MATA(**setting), **options)
        assert len(encoded) == 1
    finally:
        hook.remove()
    for prompt, answer in zip(prompts, answers, strict=True):
        with MATA(**setting)(subject.model):
            whole = subject.model.generate(**prompt, **options)
        assert torch.equal(answer, whole[0, prompt["input_ids"].shape[1] :])


def test_the_example_with_one_question(qwen2_audio: Subject) -> None:
    """Its end is not read with the clip: that row is steered."""
    example = runpy.run_path(str(EXAMPLE))
    prompt = qwen2_audio.inputs([("What is this?", [1.0])])
    options = greedy(qwen2_audio, return_dict_in_generate=False)
    (answer,) = example["ask"](qwen2_audio.model, [prompt], MATA(**SETTING), **options)
    with MATA(**SETTING)(qwen2_audio.model):
        whole = qwen2_audio.model.generate(**prompt, **options)
    assert torch.equal(answer, whole[0, prompt["input_ids"].shape[1] :])


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE))["main"]()
    assert len(capsys.readouterr().out.splitlines()) == 3
