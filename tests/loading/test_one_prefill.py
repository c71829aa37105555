"""Baseline and settings from one prefill give what separate runs give."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest
import torch
from torch import Tensor

from mata_audio import MATA, NoAudioError
from mata_audio.families import locate
from mata_audio.models import one_prefill
from mata_audio.models.one_prefill import generate_all, greedy
from mata_audio.models.prefill import prefill
from mata_audio.settings.named import NamedSetting, with_baseline
from mata_audio.steering.listening import Listening
from mata_audio.steering.receipt import Receipt
from subject import Subject

NEW_TOKENS = 6
SETTINGS = with_baseline(
    [
        NamedSetting("multiply", MATA(alpha=0.7, layers=[1, 2])),
        NamedSetting("late", MATA(alpha=2, layers=[3])),
        NamedSetting("some heads", MATA(alpha=0.7, layers=[1, 2], heads=[1, 2])),
        NamedSetting("absolute", MATA(alpha=0.7, layers=[1, 2], formula="absolute")),
        NamedSetting("add", MATA(alpha=3, layers=[0, 3], formula="add")),
        NamedSetting("all rows", MATA(alpha=0.7, layers=[1, 2], rows="all")),
        NamedSetting("random rows", MATA(alpha=0.7, layers=[1, 2], rows="random-5", seed=3)),
        NamedSetting("gains", MATA(alpha=0.5, gains=[[0, 1, 2, -1]] * 4)),
        NamedSetting("nothing", MATA(alpha=0)),
    ]
)
# Three prompts of one length, each with clips of its own.
QUESTIONS: list[tuple[str, list[float]]] = [
    ("What is this?", [1.0]),
    ("What is that?", [1.0]),
    ("Who is there?", [1.0]),
]


def config_of(subject: Subject) -> Any:
    config = greedy(subject.model, subject.processor.tokenizer, NEW_TOKENS)
    config.suppress_tokens = subject.never
    return config


def one_of(inputs: dict[str, Tensor], place: int) -> dict[str, Tensor]:
    return {name: value[place : place + 1] for name, value in inputs.items()}


def separately(
    subject: Subject, inputs: dict[str, Tensor], setting: NamedSetting
) -> tuple[list[int], Listening]:
    """An ordinary run of one prompt: its own prefill, no shared cache, nothing of ours around."""
    width = inputs["input_ids"].shape[1]
    model: Any = subject.model
    with torch.no_grad():
        if setting.method is None:
            output = model.generate(**inputs, generation_config=config_of(subject))
            return output[0, width:].tolist(), Listening()
        with setting.method(model) as applied:
            output = model.generate(**inputs, generation_config=config_of(subject))
    return output[0, width:].tolist(), applied.receipt.listening


@pytest.mark.parametrize("rows", [1, 6, 64])
def test_the_same_as_separate_runs(
    subject: Subject, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_prefill, "ROWS_AT_ONCE", rows)
    inputs = subject.inputs(QUESTIONS)
    found = generate_all(subject.model, inputs, SETTINGS, config_of(subject))
    for place, own in enumerate(found):
        assert [*own] == [setting.name for setting in SETTINGS]
        for setting in SETTINGS:
            tokens, heard = separately(subject, one_of(inputs, place), setting)
            assert list(own[setting.name].tokens) == tokens, setting.name
            assert astuple(own[setting.name].listening) == pytest.approx(astuple(heard), rel=1e-5)
        assert own["nothing"] == own["baseline"]
    answers = {tuple(own[setting.name].tokens) for own in found for setting in SETTINGS}
    assert len(answers) > len(QUESTIONS)  # else nothing was shown


@pytest.mark.parametrize("rows", [6, 64])
def test_receipts_are_those_of_separate_runs(
    subject: Subject, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that share passes each get the receipt of a run without the others."""
    monkeypatch.setattr(one_prefill, "ROWS_AT_ONCE", rows)
    inputs, receipts = subject.inputs(QUESTIONS), dict[str, Receipt]()
    generate_all(subject.model, inputs, SETTINGS, config_of(subject), receipts)
    assert receipts.keys() == {setting.name for setting in SETTINGS[1:]}
    for setting in SETTINGS[1:]:
        assert setting.method is not None
        with torch.no_grad(), setting.method(subject.model) as applied:
            subject.model.generate(**inputs, generation_config=config_of(subject))
        assert str(receipts[setting.name]) == str(applied.receipt), setting.name
    once = receipts["multiply"]
    generate_all(subject.model, inputs, SETTINGS, config_of(subject), receipts)
    twice = receipts["multiply"]
    assert (twice.forward_passes, twice.active_rows) == (
        2 * once.forward_passes,
        2 * once.active_rows,
    )
    assert twice.audio_tokens == once.audio_tokens * 2
    assert twice.negative_share == once.negative_share


def test_logits_after_the_shared_prefill(subject: Subject) -> None:
    """Not only the chosen tokens: the last row from the cache is that of a whole pass."""
    inputs = subject.inputs(QUESTIONS)
    listener: Any = locate(subject.model).listener
    with torch.no_grad():
        whole = listener(**inputs).logits[:, -1]
        cache = prefill(locate(subject.model), inputs)
        assert cache.get_seq_length() == inputs["input_ids"].shape[1] - 1
        output = listener.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            past_key_values=cache,
            do_sample=False,
            max_new_tokens=1,
            return_dict_in_generate=True,
            output_logits=True,
        )
    torch.testing.assert_close(output.logits[0], whole, atol=1e-5, rtol=0)


def test_the_model_is_left_as_it_was(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS)
    before = generate_all(subject.model, inputs, SETTINGS[:1], config_of(subject))
    generate_all(subject.model, inputs, SETTINGS, config_of(subject))
    after = generate_all(subject.model, inputs, SETTINGS[:1], config_of(subject))
    assert before == after
    assert "generate" not in vars(subject.model)


def test_one_prefill_is_one_pass_over_the_prompt(subject: Subject) -> None:
    """Everything else reads one token of each row at a time, but where other rows are changed."""
    lengths: list[int] = []
    hook = (
        locate(subject.model)
        .attentions[0]
        .register_forward_pre_hook(
            lambda module, args, kwargs: lengths.append(kwargs["hidden_states"].shape[1]),
            with_kwargs=True,
        )
    )
    inputs = subject.inputs(QUESTIONS)
    try:
        generate_all(subject.model, inputs, SETTINGS, config_of(subject))
    finally:
        hook.remove()
    of_their_own = sum(
        setting.method is not None and setting.method.rows != "last" for setting in SETTINGS
    )
    passes = [length for length in lengths if length > 1]
    assert passes == [inputs["input_ids"].shape[1]] * (1 + of_their_own)


def test_a_prompt_without_audio_is_an_error(subject: Subject) -> None:
    inputs = subject.inputs([("No clip here.", [])])
    with pytest.raises(NoAudioError):
        generate_all(subject.model, inputs, SETTINGS[:2], config_of(subject))


def test_greedy_whatever_the_checkpoint_says(subject: Subject) -> None:
    model: Any = subject.model
    own = model.generation_config
    kept = own.to_dict()
    try:
        own.update(do_sample=True, temperature=0.7, top_p=0.5, top_k=20, repetition_penalty=1.1)
        config = greedy(model, subject.processor.tokenizer, 5)
        assert (config.do_sample, config.num_beams, config.max_new_tokens) == (False, 1, 5)
        assert (config.temperature, config.top_p, config.top_k) == (None, None, None)
        assert config.repetition_penalty == 1.1
        assert own.do_sample  # the model's own is not touched
    finally:
        own.update(**kept)
