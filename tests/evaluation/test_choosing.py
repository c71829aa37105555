"""Layers by measurement: knockout and gradient against plain computations, and the choice."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mata_audio import MATA, PromptLengthError, SettingsError
from mata_audio.cli.main import main
from mata_audio.errors import DataError
from mata_audio.evaluation.choosing import WAYS, choose, tune
from mata_audio.evaluation.choosing.evidence import best_window, window_evidence
from mata_audio.evaluation.choosing.expected_reply import expected_reply
from mata_audio.evaluation.choosing.gradient import gradient
from mata_audio.evaluation.choosing.imbalance import imbalance
from mata_audio.evaluation.choosing.knockout import knockout
from mata_audio.evaluation.choosing.measuring import Measuring
from mata_audio.evaluation.choosing.tune import Fitting
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.executor import loaded_model
from mata_audio.evaluation.running.plan import Options, make_plan
from mata_audio.evaluation.templates.template import TEMPLATES
from mata_audio.families import locate
from mata_audio.methods import Mass, Value
from mata_audio.methods.one_change import OneChange
from mata_audio.models import one_prefill
from mata_audio.models.prefill import prefill
from mata_audio.settings.named import load_setting
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.gain_tensor import KeyGains, gains_on
from subject import Subject

QUESTIONS: list[tuple[str, list[float]]] = [("What is this?", [1.0]), ("Who is there?", [1.0])]
ANSWERS = [[70, 71, 72], [80]]


def logits_of(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    with torch.no_grad():
        return model(**inputs).logits[:, -1].double()


@pytest.mark.parametrize("rows", [4, 64])
def test_knockout_is_blocking_the_audio_of_one_layer(
    subject: Subject, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: one whole pass for each layer, with its audio scores pushed out of reach."""
    monkeypatch.setattr("mata_audio.evaluation.choosing.knockout.ROWS_AT_ONCE", rows)
    inputs = subject.inputs(QUESTIONS)
    found = knockout(subject.model, inputs)
    located = locate(subject.model)
    assert found.shape == (len(QUESTIONS), located.depth)
    baseline = logits_of(subject.model, inputs).log_softmax(-1)
    for layer in range(located.depth):
        with MATA(alpha=-1000, layers=[layer], formula="add")(subject.model):
            changed = logits_of(subject.model, inputs).log_softmax(-1)
        expected = (baseline.exp() * (baseline - changed)).sum(-1)
        np.testing.assert_allclose(found[:, layer], expected.numpy(), atol=2e-6)
    assert found.max() > 1e-4  # else this test shows nothing


@pytest.mark.parametrize("cls", [MATA, Mass, Value])
def test_gradient_is_the_slope_of_the_answers_log_probability(
    subject: Subject, cls: type[OneChange]
) -> None:
    """Central differences, each a teacher-forced pass over the whole sequence.

    The step is not smaller because the models' norms always compute in float32.
    """
    inputs = subject.inputs(QUESTIONS)
    model = copy.deepcopy(subject.model).double()
    inputs = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    ((change,),) = cls().rule().views
    found = gradient(model, inputs, ANSWERS, change.formula)
    located = locate(model)
    assert found.shape == (len(QUESTIONS), located.depth, located.heads)
    width = inputs["input_ids"].shape[1]

    def log_p(item: int, alpha: float, layer: int, head: int) -> float:
        own = {name: value[item : item + 1] for name, value in inputs.items()}
        answer = torch.tensor([ANSWERS[item]])
        own["input_ids"] = torch.cat([own["input_ids"], answer], 1)
        own["attention_mask"] = torch.ones_like(own["input_ids"])
        setting = cls(alpha=alpha, layers=[layer], heads=[head])
        with torch.no_grad(), setting(model, prompt_length=width):
            logits = model(**own).logits[0, width - 1 : -1].log_softmax(-1)  # type: ignore[operator]
        return float(logits.gather(1, answer[0][:, None]).sum())

    step = 1e-2
    for item in range(len(QUESTIONS)):
        for layer, head in ((0, 0), (1, 3), (located.depth - 1, 1)):
            up, down = (log_p(item, sign * step, layer, head) for sign in (1, -1))
            assert found[item, layer, head] == pytest.approx((up - down) / (2 * step), abs=2e-5)
    assert abs(found[0, 0, 0]) > 1e-3  # else this test shows nothing


def test_weights_and_their_gradients_are_left_alone(subject: Subject) -> None:
    before = [weight.requires_grad for weight in subject.model.parameters()]
    gradient(subject.model, subject.inputs(QUESTIONS), ANSWERS)
    assert [weight.requires_grad for weight in subject.model.parameters()] == before
    assert all(weight.grad is None for weight in subject.model.parameters())


def test_an_adopted_cache_continues_its_prompt(subject: Subject) -> None:
    """Outside generate(), the cache's audio positions must be passed on explicitly."""
    inputs = subject.inputs(QUESTIONS)
    located = locate(subject.model)
    listener: Any = located.listener
    last = {"input_ids": inputs["input_ids"][:, -1:]}
    with torch.no_grad():
        with MATA(alpha=0.7, layers=[1, 2])(subject.model):
            expected = listener(**inputs).logits[:, -1]
        cache = prefill(located, inputs)
        gains = torch.zeros(located.depth, 1, located.heads)
        gains[1:3] = 0.7
        attachment = Attachment(located, [KeyGains(gains)])
        try:
            with pytest.raises(PromptLengthError, match="audio positions are unknown"):
                listener(**last, past_key_values=copy.deepcopy(cache))
            attachment.adopt(cache, inputs["input_ids"], inputs["attention_mask"])
            found = listener(**last, past_key_values=cache).logits[:, -1]
        finally:
            attachment.detach()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=12), st.data())
def test_best_window_is_the_best(scores: list[int], data: st.DataObject) -> None:
    width = data.draw(st.integers(1, len(scores)))
    found = best_window(np.array(scores, dtype=float), width)
    assert len(found) == width
    assert list(found) == [*range(found[0], found[0] + width)]
    sums = [sum(scores[i : i + width]) for i in range(len(scores) - width + 1)]
    assert sums[found[0]] == max(sums)


def test_evidence_by_hand() -> None:
    per_item = np.zeros((50, 28))
    per_item[:, 12:23] = 1.0
    per_item[::2, 12] = 3.0
    evidence = window_evidence("m", "u", per_item)
    assert evidence.setting == MATA(alpha=1, layers=range(12, 23))
    assert evidence.scores[12] == 2.0
    assert evidence.low[12] < 2.0 < evidence.high[12]
    assert (evidence.low[13], evidence.high[13]) == (1.0, 1.0)
    assert evidence.items == 50


def test_expected_replies() -> None:
    item = Item("i", (), "q", ("x", "y z"), "y z")
    assert expected_reply(TEMPLATES["qwen2.5-omni"], item) == "B"
    assert expected_reply(TEMPLATES["mmsu"], item) == "B"
    assert expected_reply(TEMPLATES["r1-aqa"], item) == "<answer>y z</answer>"
    assert expected_reply(TEMPLATES["question"], item) == "y z"
    with pytest.raises(DataError, match="none of its choices"):
        expected_reply(TEMPLATES["mmsu"], Item("i", (), "q", ("x",), "w"))
    with pytest.raises(DataError, match="has no answer"):
        expected_reply(TEMPLATES["question"], Item("i", (), "q", ("x",), None))


@pytest.fixture(scope="module")
def tuning_items() -> Measuring:
    plan = make_plan("tiny", "tiny", None, (), Options(split="tune", limit=12))
    return Measuring(plan, loaded_model(plan))


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.measure])
def test_every_way_returns_evidence_for_every_layer(
    name: str, tuning_items: Measuring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "Fitting", lambda: Fitting(steps=2))
    measure = WAYS[name].measure
    assert measure is not None
    evidence = measure(tuning_items)
    located = locate(tuning_items.loaded.model)
    assert evidence.by == name
    assert evidence.items == 12
    assert evidence.unit
    assert evidence.spread
    assert len(evidence.scores) == len(evidence.low) == len(evidence.high) == located.depth
    assert np.isfinite([evidence.low, evidence.scores, evidence.high]).all()
    assert all(low <= high for low, high in zip(evidence.low, evidence.high, strict=True))
    assert evidence.setting.alpha == 1
    assert gains_on(evidence.setting, located).shape[0] == located.depth
    json.dumps(evidence.facts, allow_nan=False)


@pytest.mark.parametrize("name", WAYS)
def test_every_way_has_alphas_and_is_in_the_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert WAYS[name].summary
    assert all(alpha > 0 for alpha in WAYS[name].alphas)
    assert main(["choose", "--help"]) == 0
    about_ways = capsys.readouterr().out.split("--by WAY")[-1].split("--items")[0]
    assert name in re.findall(r"[\w-]+", about_ways)


@pytest.mark.parametrize("by", ["knockout", "profile", "gradient"])
def test_choose_on_the_embedded_model(tmp_path: Path, by: str) -> None:
    choice = choose("tiny", "tiny", tmp_path, by, split="tune", limit=24, alphas=(1.0, 2.0))
    assert choice.evidence is not None
    assert choice.evidence.items == 12
    assert len(choice.evidence.scores) == 12
    layers = choice.evidence.setting.layers
    assert len(layers) == 5
    assert choice.sweep is not None
    assert choice.sweep.tuning.accuracy["baseline"].n == 12
    swept = [s.method for s in choice.sweep.results.settings if s.method is not None]
    assert all(tuple(mata["layers"]) == layers for mata in swept)
    assert (tmp_path / "winner.json").exists() == (choice.sweep.recommended is not None)
    if choice.setting is not None and choice.sweep.recommended is not None:
        assert load_setting(tmp_path / "winner.json").method == choice.setting.method
    if by == "knockout":
        assert min(choice.evidence.scores) >= 0


@pytest.mark.parametrize("by", ["knockout", "gradient-heads", "search"])
def test_layers_or_heads_of_any_method_that_has_them(tmp_path: Path, by: str) -> None:
    base = Mass(clipped=True)
    few: dict[str, Any] = {"split": "tune", "limit": 24, "alphas": (1, 2)}
    choice = choose("tiny", "tiny", tmp_path, by, method=base, **few)
    assert choice.sweep is not None
    swept = [s.method for s in choice.sweep.results.settings if s.method is not None]
    assert {(own["method"], own["clipped"]) for own in swept} == {("mass", True)}
    assert {own["alpha"] for own in swept} == {1, 2}
    assert all(own["layers"] or own["gains"] for own in swept)
    if choice.evidence is not None:
        assert isinstance(choice.evidence.setting, Mass)


def test_evidence_for_one_method_is_not_taken_for_another(tmp_path: Path) -> None:
    few: dict[str, Any] = {"split": "tune", "limit": 24, "alphas": (0,)}
    first = choose("tiny", "tiny", tmp_path / "a", "gradient", **few)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "evidence.json").write_bytes((tmp_path / "a" / "evidence.json").read_bytes())
    second = choose("tiny", "tiny", tmp_path / "b", "gradient", method="mass", **few)
    assert first.evidence is not None
    assert second.evidence is not None
    assert first.evidence.scores != second.evidence.scores


def test_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="contrast has no layers that could be chosen"):
        choose("tiny", "tiny", tmp_path / "a", method="contrast", split="tune", limit=24)
    with pytest.raises(SettingsError, match="leave out the method"):
        choose("tiny", "tiny", tmp_path / "a", "tune", method="mass", split="tune", limit=24)
    with pytest.raises(SettingsError, match="knockout, profile, gradient, gradient-heads, tune"):
        choose("tiny", "tiny", tmp_path / "a", "guess")
    with pytest.raises(SettingsError, match="at least 20"):
        choose("tiny", "tiny", tmp_path / "a", limit=4)
    assert not (tmp_path / "a").exists()
    assert one_prefill.ROWS_AT_ONCE == 64


def test_imbalance_is_that_of_the_attention_weights(subject: Subject) -> None:
    """By hand, from an eager float64 copy; here all text but the first token counts as words."""
    inputs = subject.inputs(QUESTIONS)
    found = imbalance(subject.model, inputs, None)
    model = copy.deepcopy(subject.model).double()
    model.set_attn_implementation("eager")
    doubled = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    with torch.no_grad():
        attentions = model(**doubled, output_attentions=True).attentions
    for item in range(len(QUESTIONS)):
        audio = inputs["input_ids"][item] == subject.audio_token_id
        words = ~audio
        words[0] = False  # the sink
        for layer, weights in enumerate(attentions):
            row = weights[item, :, -1].mean(0)
            expected = (row[words].mean().log() - row[audio].mean().log()).item()
            assert found[item, layer] == pytest.approx(expected, abs=1e-5)
    assert np.abs(found).max() > 0.01  # else this test shows nothing
