"""Fitted gains: prompts read once, what a step sees, when it stops, and the result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

from mata_audio import MATA, SettingsError
from mata_audio.errors import RunError
from mata_audio.evaluation.choosing import choose, tune
from mata_audio.evaluation.choosing.choose import METHODS
from mata_audio.evaluation.choosing.prefilled import PrefilledPrompts, prefill_prompts
from mata_audio.evaluation.choosing.tune import Fitting, Point, fit
from mata_audio.families import locate
from mata_audio.settings.named import load_setting
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.gain_tensor import KeyGains
from subject import Subject

SHORT: list[tuple[str, list[float]]] = [("What is this?", [1.0]), ("Who is there?", [1.0])]
LONG: list[tuple[str, list[float]]] = [("Which of the clips is the longer one?", [0.5, 1.2])]
ANSWERS = [[70, 71, 72], [80]]


def read(subject: Subject, questions: Any, answers: list[list[int]]) -> PrefilledPrompts:
    return prefill_prompts(subject.model, subject.inputs(questions), answers)


def test_answers_under_gains_equal_whole_passes(subject: Subject) -> None:
    """The first batch is used after the second was read; each keeps its own positions."""
    prompts = read(subject, SHORT, ANSWERS)
    read(subject, LONG, [[90]])
    located = locate(subject.model)
    table = torch.randn(located.depth, located.heads, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), Attachment(located, [KeyGains(table[:, None])]) as attachment:
        log_p = prompts.log_p(attachment)
        again = prompts.log_p(attachment)
    assert torch.equal(log_p, again)  # the cache is unchanged
    inputs = subject.inputs(SHORT)
    width = inputs["input_ids"].shape[1]
    for item, answer in enumerate(ANSWERS):
        own = {name: value[item : item + 1] for name, value in inputs.items()}
        own["input_ids"] = torch.cat([own["input_ids"], torch.tensor([answer])], 1)
        own["attention_mask"] = torch.ones_like(own["input_ids"])
        with torch.no_grad(), MATA(gains=table)(subject.model, prompt_length=width):
            whole = subject.model(**own).logits[0, width - 1 : -1].log_softmax(-1)
        torch.testing.assert_close(log_p[item, : len(answer)], whole, atol=1e-5, rtol=0)
        summed = whole.gather(1, torch.tensor(answer)[:, None]).sum()
        assert float(prompts.of_answer(log_p)[item]) == pytest.approx(float(summed), abs=3e-5)


def test_an_answer_is_right_where_greedy_decoding_gives_it(subject: Subject) -> None:
    inputs = subject.inputs(SHORT)
    suppress = list(range(256, len(subject.processor.tokenizer)))
    output = subject.model.generate(
        **inputs, do_sample=False, max_new_tokens=3, suppress_tokens=suppress
    )
    said = output[:, inputs["input_ids"].shape[1] :].tolist()
    answers = [said[0], [said[1][0], (said[1][1] + 1) % 256]]
    located = locate(subject.model)
    prompts = prefill_prompts(subject.model, inputs, answers)
    gains = torch.zeros(located.depth, 1, located.heads)
    with torch.no_grad(), Attachment(located, [KeyGains(gains)]) as attachment:
        log_p = prompts.log_p(attachment)
    log_p[:, :, 256:] = -torch.inf
    assert prompts.right(log_p).tolist() == [True, False]


def likelier(subject: Subject, sign: int) -> list[list[int]]:
    """Answers that a gain in layer 1 makes likelier (1) or less likely (-1), by plain passes."""
    inputs = subject.inputs(SHORT)
    with torch.no_grad():
        before = subject.model(**inputs).logits[:, -1].log_softmax(-1)
        with MATA(alpha=0.5, layers=[1])(subject.model):
            after = subject.model(**inputs).logits[:, -1].log_softmax(-1)
    return (sign * (after - before)).argmax(-1, keepdim=True).tolist()


def losses(subject: Subject, prompts: PrefilledPrompts, gains: Tensor) -> float:
    with torch.no_grad(), Attachment(locate(subject.model), [KeyGains(gains[:, None])]) as attached:
        return -float(prompts.of_answer(prompts.log_p(attached)).mean())


def test_fitting_finds_what_helps_and_touches_no_weight(subject: Subject) -> None:
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    trainable = [weight.requires_grad for weight in subject.model.parameters()]
    prompts = read(subject, SHORT, likelier(subject, 1))
    fitted = fit(subject.model, [prompts], [prompts], Fitting(steps=12, penalty=0))
    none = torch.zeros_like(fitted.gains)
    assert losses(subject, prompts, fitted.gains) < losses(subject, prompts, none) - 0.05
    assert fitted.kept > 0
    assert fitted.path[fitted.kept].loss == min(point.loss for point in fitted.path)
    for name, value in subject.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert [weight.requires_grad for weight in subject.model.parameters()] == trainable
    assert all(weight.grad is None for weight in subject.model.parameters())


def test_it_stops_where_unseen_items_get_worse(subject: Subject) -> None:
    """The unseen items need the opposite of the seen ones."""
    seen = read(subject, SHORT, likelier(subject, 1))
    unseen = read(subject, SHORT, likelier(subject, -1))
    fitted = fit(subject.model, [seen], [unseen], Fitting(steps=40, patience=3))
    assert fitted.kept == 0
    assert not fitted.gains.any()
    assert len(fitted.path) == 1 + 3


def test_what_was_right_is_held_fast(subject: Subject) -> None:
    """One prompt is right before; fitting the other pulls at it. More weight, less movement."""
    inputs = subject.inputs(SHORT)
    with torch.no_grad():
        says = int(subject.model(**inputs).logits[0, -1].argmax())
    prompts = prefill_prompts(subject.model, inputs, [[says], likelier(subject, 1)[1]])
    moved = []
    for keep in (0.0, 100.0):
        fitting = Fitting(steps=12, keep=keep, penalty=0)
        gains = fit(subject.model, [prompts], [prompts], fitting).gains
        with torch.no_grad():
            plain = subject.model(**inputs).logits[0, -1].log_softmax(-1)
            with MATA(gains=gains)(subject.model):
                steered = subject.model(**inputs).logits[0, -1].log_softmax(-1)
        moved.append(float((plain.exp() * (plain - steered)).sum()))
    assert moved[1] < moved[0] / 5


def test_a_penalty_keeps_gains_small(subject: Subject) -> None:
    prompts = read(subject, SHORT, likelier(subject, 1))
    sizes = [
        fit(subject.model, [prompts], [prompts], Fitting(steps=12, penalty=penalty)).gains.norm()
        for penalty in (0, 30)
    ]
    assert sizes[1] < sizes[0] / 2


@pytest.fixture
def small_fitting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit in ten steps: enough to find something."""
    monkeypatch.setattr(tune, "Fitting", lambda: Fitting(steps=10))


@pytest.mark.usefixtures("small_fitting")
def test_tuned_gains_are_a_setting_like_any_other(tmp_path: Path) -> None:
    choice = choose("tiny", "tiny", tmp_path, "tune", split="tune", limit=48)
    evidence = choice.evidence
    assert evidence is not None
    gains = torch.tensor(evidence.setting.gains)
    assert gains.shape == (12, 4)
    assert list(evidence.scores) == pytest.approx(gains.mean(1).tolist(), abs=1e-6)
    facts = evidence.facts["fitting"]
    # 24 tuning items, 8 of each condition, of which a third is 3.
    assert (facts["fitted_on"], facts["validated_on"]) == (15, 9)
    assert choice.sweep is not None
    swept = [s.method for s in choice.sweep.results.settings if s.method is not None]
    assert [mata["alpha"] for mata in swept] == [0.5, 1.0]
    if choice.setting is not None and choice.sweep.recommended is not None:
        stored = load_setting(tmp_path / "winner.json")
        assert stored.method == choice.setting.method
        assert stored.tuned_on is not None
        assert stored.tuned_on["how"]["method"] == "tune"
        assert stored.tuned_on["how"]["fitting"] == facts
        assert len(stored.tuned_on["ids"]) == 24


def test_mass_gains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fitted is what is run: gains of the mass, which lower the loss on unseen items."""
    monkeypatch.setattr(tune, "MASS", replace(tune.MASS, steps=10))
    choice = choose("tiny", "tiny", tmp_path, "tune-mass", split="tune", limit=48)
    evidence = choice.evidence
    assert evidence is not None
    assert evidence.method == "tune-mass"
    assert evidence.setting.formula == "mass"
    fitting = evidence.facts["fitting"]
    assert (fitting["formula"], fitting["keep"], fitting["steps"]) == ("mass", 0.0, 10)
    assert fitting["validation_after"]["loss"] < fitting["validation_before"]["loss"]
    assert choice.sweep is not None
    swept = [s.method for s in choice.sweep.results.settings if s.method is not None]
    assert {mata["formula"] for mata in swept} == {"mass"}


@pytest.mark.usefixtures("small_fitting")
def test_nothing_is_measured_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"split": "tune", "limit": 48}
    first = choose("tiny", "tiny", tmp_path, "tune", **options)

    measured = Mock(side_effect=AssertionError("measured again"))
    monkeypatch.setitem(METHODS, "tune", METHODS["tune"].__class__("", measured, (0.5, 1)))
    again = choose("tiny", "tiny", tmp_path, "tune", **options)
    assert again.evidence == first.evidence
    assert again.sweep is not None
    assert first.sweep is not None
    assert again.sweep.tuning == first.sweep.tuning
    with pytest.raises(AssertionError, match="measured again"):
        choose("tiny", "tiny", tmp_path, "tune", **options, split_seed=1)
    (tmp_path / "evidence.json").write_text("{")
    with pytest.raises(RunError, match="delete it to measure again"):
        choose("tiny", "tiny", tmp_path, "tune", **options)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="neither a run nor empty"):
        choose("tiny", "tiny", tmp_path, split="tune", limit=24)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_heads_that_help_on_average(tmp_path: Path) -> None:
    choice = choose("tiny", "tiny", tmp_path, "gradient-heads", split="tune", limit=48, alphas=[1])
    assert choice.evidence is not None
    heads = choice.evidence.facts["heads"]
    low = torch.tensor(heads["low"])
    assert (low > 0).any()
    assert torch.equal(torch.tensor(choice.evidence.setting.gains), (low > 0).float())
    by_layer = torch.tensor(heads["mean"]).sum(1)
    assert by_layer.tolist() == pytest.approx(list(choice.evidence.scores), abs=1e-6)
    text = json.loads((tmp_path / "evidence.json").read_text())
    assert text["evidence"]["items"] == 24


def test_too_few_items_to_fit_and_stop(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="too few to fit gains"):
        choose("tiny", "tiny", tmp_path, "tune", split="tune", limit=20, tuning_share=0.1)


def test_nothing_found_leaves_an_earlier_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"split": "tune", "limit": 48}
    choose("tiny", "tiny", tmp_path, "gradient", alphas=[1], **options)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    monkeypatch.setattr(tune, "Fitting", lambda: Fitting(steps=0))
    with pytest.raises(RunError, match="finds nothing to run: give another folder"):
        choose("tiny", "tiny", tmp_path, "tune", **options)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    choice = choose("tiny", "tiny", tmp_path / "new", "tune", **options)
    assert (choice.sweep, choice.setting) == (None, None)
    assert choice.verdict.startswith("Nothing was found with 24 items; differences below ")


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_not_taken_for_nothing_found(
    subject: Subject, loss: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = read(subject, SHORT, ANSWERS)
    monkeypatch.setattr(tune, "_point", lambda *_: Point(loss, 0, 0))
    with pytest.raises(SettingsError, match="gains cannot be fitted"):
        fit(subject.model, [prompts], [prompts], Fitting(steps=3))
