"""A first look at a row sets the strength with which it is changed: exact, or refused."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from checks import NEW_TOKENS, QUESTIONS, greedy, new_tokens, prompt_tokens, repeated
from families.subjects import subject_of
from mata_audio import CacheError, SettingsError
from mata_audio.steering.rule import UNHEARD, Change, FirstLook, Rule
from reference import ByRow, Steering
from ruled import Inputs, Ruled, assert_effect, assert_same_logits, audio_keys
from steering.test_nesting import OTHERS, inside
from subject import Subject
from traces import traces


def by_certainty(logits: Tensor) -> Tensor:
    """Far from 1, and another number in each row of each sample."""
    top = logits.softmax(-1).topk(2).values
    return 60 * (top[:, 0] - top[:, 1]) - 1


ADD = Ruled(Rule(((Change("add", 1.0, layers=(1, 2)),),), look=FirstLook(by_certainty)))
MASS = Ruled(
    Rule(
        ((Change("mass", 1.0, layers=(0, 1), heads=(1, 3)), Change("multiply", 1.0, layers=(2,))),),
        look=FirstLook(by_certainty, each_step=True),
    )
)
VIEWS = Ruled(
    replace(
        MASS.made,
        views=(MASS.made.views[0], UNHEARD),
        # Weights that add up to 2 in size: float32's error grows no more than that.
        combine=lambda logits: 1.5 * logits[0] - 0.5 * logits[1],
    )
)
LOOKING = [ADD, MASS, VIEWS]
each_method = pytest.mark.parametrize("method", LOOKING, ids=["once", "each-step", "views"])
of_one_view = pytest.mark.parametrize("method", [ADD, MASS], ids=["once", "each-step"])


def expected_logits(
    subject: Subject, inputs: Inputs, method: Ruled, generated: Tensor
) -> tuple[Tensor, Tensor]:
    """Logits of each step, and the strength of each slot's row, found one row after the other."""
    rule, audio = method.made, audio_keys(subject, inputs)
    batch, width = audio.shape
    new = generated.shape[1]
    strength = torch.zeros(batch, width + new, dtype=torch.float64)

    def under(view: tuple[Change, ...]) -> Tensor:
        layers = {"all": range(4)}
        also = [
            (
                ByRow(
                    layers.get(own.layers, own.layers),
                    own.alpha,
                    own.formula,
                    own.heads,
                    strength=strength,
                ),
                audio,
            )
            for own in view
        ]
        return subject.expected(inputs, Steering([]), generated=generated, also=also)

    assert rule.look is not None
    for step in range(new if rule.look.each_step else 1):
        strength[:, width - 1 + step] = rule.look.strength(under(rule.views[0])[:, step])
    views = torch.stack([under(view) for view in rule.views])
    if rule.combine is None:
        return views[0], strength
    heard = audio.any(1)[:, None, None]
    return torch.where(heard, rule.combine(views), views[0]), strength


def assert_exact(
    subject: Subject, inputs: Inputs, logits: Tensor, method: Ruled, generated: Tensor
) -> None:
    """Check each step's logits, and that strengths differ between rows."""
    expected, strength = expected_logits(subject, inputs, method, generated)
    assert_same_logits(logits, expected)
    assert_effect(subject, inputs, expected, generated)
    width = inputs["input_ids"].shape[1]
    looked = strength[:, width - 1 : -1 if method.made.look.each_step else width]
    assert looked.numel() == 1 or looked.std() > 1e-2, "one strength for all proves little"


def generate_exactly(
    subject: Subject, inputs: Inputs, method: Ruled, repeats: int = 1, **options: Any
) -> Any:
    """Generate and check each step's logits."""
    with method(subject.model) as applied:
        output = subject.model.generate(**inputs, **greedy(subject, **options))
    every = repeated(inputs, repeats)
    assert_exact(subject, every, torch.stack(output.logits, 1), method, new_tokens(inputs, output))
    return output, applied.receipt


@each_method
def test_greedy_batch(subject: Subject, method: Ruled) -> None:
    """Each sample has its own strength; the one without audio is left alone."""
    before = traces(subject.model)
    generate_exactly(subject, subject.inputs(QUESTIONS), method)
    assert traces(subject.model) == before


@each_method
def test_sampling(subject: Subject, method: Ruled) -> None:
    torch.manual_seed(3)
    generate_exactly(
        subject, subject.inputs(QUESTIONS), method, 2, do_sample=True, num_return_sequences=2
    )


@each_method
def test_beam_search(subject: Subject, method: Ruled) -> None:
    inputs = subject.inputs([QUESTIONS[0], ("Why?", [0.6])])
    beams = {"num_beams": 3, "num_return_sequences": 3, "length_penalty": 0.0}
    options = greedy(subject, **beams, output_logits=False, output_scores=True)
    with method(subject.model):
        output = subject.model.generate(**inputs, **options)
    generated, every = new_tokens(inputs, output), repeated(inputs, 3)
    logits, _ = expected_logits(subject, every, method, generated)
    plain = subject.expected(every, Steering([]), generated=generated)
    for found, same in ((logits, True), (plain, False)):
        scores = found.log_softmax(-1).gather(2, generated[..., None]).sum((1, 2))
        assert torch.allclose(output.sequences_scores.double(), scores, atol=1e-4) == same


@each_method
def test_looks_are_counted(qwen2_audio: Subject, method: Ruled) -> None:
    """The prompt is read once; each look is one more pass over one row."""
    rows: list[int] = []
    hook = qwen2_audio.layout.decoder_in(qwen2_audio.model).register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(kwargs["inputs_embeds"].shape[1]),
        with_kwargs=True,
    )
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    try:
        with method(qwen2_audio.model) as applied:
            qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
    finally:
        hook.remove()
    looks = NEW_TOKENS if method.made.look.each_step else 1
    assert rows == [inputs["input_ids"].shape[1] - 1] + [1] * (NEW_TOKENS + looks)
    assert applied.receipt.forward_passes == NEW_TOKENS + looks
    steered = applied.receipt.listening.rows
    with Ruled(replace(method.made, look=None))(qwen2_audio.model) as plain:
        qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
    assert plain.receipt.listening.rows == steered, "a look is not counted as listening"


@of_one_view
def test_a_loop_by_hand(subject: Subject, method: Ruled) -> None:
    """With one view, the returned cache is all that the answer needs."""
    inputs = subject.inputs(QUESTIONS[:1])
    logits, tokens = [], []
    with torch.no_grad(), method(subject.model):
        output = subject.model(**inputs, use_cache=True)
        for _ in range(4):
            assert "reorder_cache" not in vars(output.past_key_values)
            logits.append(output.logits[:, -1])
            tokens.append(output.logits[:, -1, :256].argmax(-1, keepdim=True))
            output = subject.model(input_ids=tokens[-1], past_key_values=output.past_key_values)
    assert_exact(subject, inputs, torch.stack(logits, 1), method, torch.cat(tokens, 1))


@each_method
def test_only_the_last_row_differs(subject: Subject, method: Ruled) -> None:
    inputs = subject.inputs(QUESTIONS)
    positions = subject.layout.positions(inputs)
    with torch.no_grad():
        plain = subject.model(**inputs, **positions).logits
        with method(subject.model):
            logits = subject.model(**inputs, **positions).logits
    expected, _ = expected_logits(subject, inputs, method, torch.zeros(3, 1, dtype=torch.long))
    assert_same_logits(logits[:, -1:], expected)
    real = inputs["attention_mask"].bool()
    real[:, -1] = False
    assert (logits - plain)[real].abs().max() < 1e-5


@each_method
def test_a_prefilled_cache_without_the_last_token(subject: Subject, method: Ruled) -> None:
    inputs = subject.inputs(QUESTIONS[:2])
    positions = subject.layout.positions(inputs)
    with torch.no_grad():
        cache = subject.model(**inputs, **positions, use_cache=True).past_key_values
    cache.crop(-1)
    own = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with method(subject.model):
        output = subject.model.generate(**own, **greedy(subject, past_key_values=cache))
    assert_exact(subject, inputs, torch.stack(output.logits, 1), method, new_tokens(inputs, output))
    assert cache.get_seq_length() == inputs["input_ids"].shape[1] + NEW_TOKENS - 1
    assert {layer.keys.shape[0] for layer in cache.layers} == {2}


@each_method
def test_another_prompt_inside(qwen2_audio: Subject, method: Ruled) -> None:
    outer, inner = qwen2_audio.inputs(QUESTIONS[:1]), qwen2_audio.inputs(OTHERS[:1], seed=5)
    found = []

    def call() -> None:
        found.append(qwen2_audio.model.generate(**inner, **greedy(qwen2_audio, max_new_tokens=2)))

    with method(qwen2_audio.model):
        options = greedy(qwen2_audio) | inside("streamer", call)
        output = qwen2_audio.model.generate(**outer, **options)
    for inputs, own in ((outer, output), (inner, found[0]), (inner, found[-1])):
        assert_exact(
            qwen2_audio, inputs, torch.stack(own.logits, 1), method, new_tokens(inputs, own)
        )


@each_method
@pytest.mark.parametrize("how", ["prompt-lookup", "assistant", "no-cache"])
def test_several_rows_of_an_answer_at_once_are_refused(
    qwen2_audio: Subject, method: Ruled, how: str
) -> None:
    draft = copy.deepcopy(qwen2_audio.model)
    options: dict[str, dict[str, Any]] = {
        "prompt-lookup": {"prompt_lookup_num_tokens": 3},
        "assistant": {"assistant_model": draft},
        "no-cache": {"use_cache": False},
    }
    inputs = qwen2_audio.inputs([("aaaaaaaaaaaa", [1.0])])
    letter = qwen2_audio.processor.tokenizer.convert_tokens_to_ids("a")
    others = [own for own in range(266) if own != letter]  # so that every answer can be looked up
    options[how]["suppress_tokens"] = others
    with method(qwen2_audio.model), pytest.raises(SettingsError, match="looks at each row before"):
        qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio, **options[how]))


@each_method
def test_an_answer_that_is_given_with_its_prompt_is_refused(
    qwen2_audio: Subject, method: Ruled
) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    (tokens,) = prompt_tokens(inputs)
    with (
        method(qwen2_audio.model, prompt_length=tokens - 3),
        pytest.raises(SettingsError, match="no answers given with their prompt"),
    ):
        qwen2_audio.model(**inputs)


@of_one_view
@pytest.mark.parametrize("implementation", ["static", "quantized"])
def test_caches_that_cannot_forget_are_refused(
    qwen2_audio: Subject, method: Ruled, implementation: str
) -> None:
    options = greedy(qwen2_audio, cache_implementation=implementation, disable_compile=True)
    if implementation == "quantized":
        options["cache_config"] = {"backend": "fp8"}
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    with method(qwen2_audio.model), pytest.raises(CacheError, match="cannot forget a row"):
        qwen2_audio.model.generate(**inputs, **options)


@of_one_view
@pytest.mark.parametrize("model_type", ["gemma3n", "gemma4", "nemotron_h_omni"])
def test_models_with_windows_or_states_are_refused(method: Ruled, model_type: str) -> None:
    family = subject_of(model_type)
    only = replace(method.made, views=((Change("add", 1.0, layers=(1,)),),))
    inputs = family.small.inputs(family.small.questions)
    with Ruled(only)(family.small.model), pytest.raises(CacheError, match="cannot forget a row"):
        family.model.generate(**inputs, **greedy(family))


@each_method
def test_an_error_in_the_look_leaves_the_model_as_it_was(
    qwen2_audio: Subject, method: Ruled
) -> None:
    def fail(logits: Tensor) -> Tensor:
        raise KeyboardInterrupt

    before = traces(qwen2_audio.model)
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    cache = DynamicCache(config=qwen2_audio.model.config.get_text_config())
    failing = Ruled(replace(method.made, look=FirstLook(fail)))
    with failing(qwen2_audio.model), pytest.raises(KeyboardInterrupt):
        qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio, past_key_values=cache))
    assert traces(qwen2_audio.model) == before
    assert "reorder_cache" not in vars(cache)
    assert cache.get_seq_length() == inputs["input_ids"].shape[1] - 1
    assert {layer.keys.shape[0] for layer in cache.layers} == {1}
