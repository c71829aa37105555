"""Fitted gains: prompts read once, what a step sees, when it stops, and the result."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor

from mata_audio import MATA, SettingsError
from mata_audio.evaluation.choosing import descent
from mata_audio.evaluation.choosing.cost import Sample, cost
from mata_audio.evaluation.choosing.descent import Point, Prompts, fit
from mata_audio.evaluation.choosing.fitting import Fitting, read_kinds
from mata_audio.evaluation.choosing.prefilled import PrefilledPrompts, prefill_prompts
from mata_audio.families import locate
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


SCORES = read_kinds("multiply")


def batch(prompts: PrefilledPrompts, *guarded: list[bool]) -> Prompts:
    groups = torch.tensor(guarded, dtype=torch.bool).view(len(guarded), len(prompts.ids))
    return Prompts(prompts, groups)


def losses(subject: Subject, prompts: PrefilledPrompts, gains: Tensor) -> float:
    changes = [KeyGains(gains[:, None].float())]
    with torch.no_grad(), Attachment(locate(subject.model), changes) as attached:
        return -float(prompts.of_answer(prompts.log_p(attached)).mean())


def test_fitting_finds_what_helps_and_touches_no_weight(subject: Subject) -> None:
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    trainable = [weight.requires_grad for weight in subject.model.parameters()]
    prompts = read(subject, SHORT, likelier(subject, 1))
    both = [batch(prompts)]
    fitted = fit(subject.model, both, both, Fitting(SCORES, steps=12, penalty=0))
    (gains,) = fitted.gains
    assert losses(subject, prompts, gains) < losses(subject, prompts, 0 * gains) - 0.05
    assert fitted.kept > 0
    assert fitted.path[fitted.kept].loss == min(point.loss for point in fitted.path)
    assert fitted.path[fitted.kept].loss == pytest.approx(losses(subject, prompts, gains), abs=1e-6)
    for name, value in subject.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert [weight.requires_grad for weight in subject.model.parameters()] == trainable
    assert all(weight.grad is None for weight in subject.model.parameters())


def test_it_stops_where_unseen_items_get_worse(subject: Subject) -> None:
    """The unseen items need the opposite of the seen ones."""
    seen = batch(read(subject, SHORT, likelier(subject, 1)))
    unseen = batch(read(subject, SHORT, likelier(subject, -1)))
    fitted = fit(subject.model, [seen], [unseen], Fitting(SCORES, hold=3, steps=40, patience=3))
    assert fitted.kept == 0
    assert not fitted.gains[0].any()
    assert len(fitted.path) == 1 + 3


def test_what_was_right_is_held_fast(subject: Subject) -> None:
    """One prompt is right before; fitting the other pulls at it. More weight, less movement."""
    inputs = subject.inputs(SHORT)
    with torch.no_grad():
        says = int(subject.model(**inputs).logits[0, -1].argmax())
    prompts = batch(prefill_prompts(subject.model, inputs, [[says], likelier(subject, 1)[1]]))
    moved = []
    for hold in (0.0, 100.0):
        fitting = Fitting(SCORES, steps=12, hold=hold, penalty=0)
        (gains,) = fit(subject.model, [prompts], [prompts], fitting).gains
        with torch.no_grad():
            plain = subject.model(**inputs).logits[0, -1].log_softmax(-1)
            with MATA(gains=gains)(subject.model):
                steered = subject.model(**inputs).logits[0, -1].log_softmax(-1)
        moved.append(float((plain.exp() * (plain - steered)).sum()))
    assert moved[1] < moved[0] / 5


def test_a_penalty_keeps_gains_small(subject: Subject) -> None:
    prompts = [batch(read(subject, SHORT, likelier(subject, 1)))]
    sizes = [
        fit(subject.model, prompts, prompts, Fitting(steps=12, penalty=penalty)).gains[0].norm()
        for penalty in (0, 30)
    ]
    assert sizes[1] < sizes[0] / 2


def test_groups_that_must_not_lose_rule_out_stopping_points(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all points, the lowest loss where no such group loses more than it gains."""
    points = iter(
        [
            Point(5.0, 0, 0, ((0, 0), (0, 0))),
            Point(4.0, 2, 1, ((1, 1), (0, 0))),  # the best that is allowed
            Point(3.0, 9, 1, ((1, 0), (0, 1))),
            Point(2.0, 9, 1, ((0, 1), (1, 0))),
            Point(4.5, 9, 0, ((1, 0), (1, 0))),
            Point(4.6, 9, 0, ((1, 0), (1, 0))),
        ]
    )
    monkeypatch.setattr(descent, "_point", lambda *_: next(points))
    seen = [batch(read(subject, SHORT, likelier(subject, 1)))]
    found = fit(subject.model, seen, seen, Fitting(steps=40, patience=2))
    assert (found.kept, found.passed_over, len(found.path)) == (1, 2, 6)
    # Each of the first steps of this fit has another size: the gains are those after one.
    one = fit_steps(subject, seen, 1, monkeypatch)
    assert torch.equal(found.gains[0], one)


def fit_steps(
    subject: Subject, seen: list[Prompts], steps: int, monkeypatch: pytest.MonkeyPatch
) -> Tensor:
    falling = iter(Point(float(-step), 0, 0) for step in range(100))
    monkeypatch.setattr(descent, "_point", lambda *_: next(falling))
    return fit(subject.model, seen, seen, Fitting(steps=steps)).gains[0]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_not_taken_for_nothing_found(
    subject: Subject, loss: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [batch(read(subject, SHORT, ANSWERS))]
    monkeypatch.setattr(descent, "_point", lambda *_: Point(loss, 0, 0))
    with pytest.raises(SettingsError, match="gains cannot be fitted"):
        fit(subject.model, prompts, prompts, Fitting(steps=3))


def test_the_cost_is_that_of_all_steps() -> None:
    """By hand: 90 items, of which 30 decide; a step is 60 whole passes and 30 half ones."""
    sample = Sample(kept_bytes=2e6, reading=0.5, step=0.2)
    found = cost(sample, Fitting(steps=40), 90)
    assert asdict(found) == pytest.approx(
        {"kept_bytes": 180e6, "reading": 45.0, "fitting": 40 * (60 + 15) * 0.2}
    )
    assert found.in_words() == (
        "about 180 MB for the kept prompts, 45 s to read them and up to 10 min to fit"
    )
    thirds = cost(sample, Fitting(steps=40, folds=3), 90)
    assert thirds.fitting == pytest.approx(3 * found.fitting)


def test_the_kept_bytes_are_those_of_the_keys_and_values(subject: Subject) -> None:
    prompts = read(subject, SHORT, ANSWERS)
    config = subject.model.config.get_text_config()
    head = config.hidden_size // config.num_attention_heads
    tokens = prompts.ids.shape[1] - 1
    each = 2 * config.num_hidden_layers * config.num_key_value_heads * head * 4
    assert prompts.cache_bytes == len(SHORT) * tokens * each
