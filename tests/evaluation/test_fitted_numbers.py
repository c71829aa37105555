"""Gradients of fitted numbers, and the setting that they become: both give the same answers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from mata_audio import SettingsError
from mata_audio.evaluation.choosing import fitted_numbers
from mata_audio.evaluation.choosing.descent import Prompts, fit
from mata_audio.evaluation.choosing.fitted_numbers import FittedNumbers
from mata_audio.evaluation.choosing.fitted_setting import fitted_setting, scaled
from mata_audio.evaluation.choosing.fitting import Fitting, Kind, read_keep, read_kinds
from mata_audio.evaluation.choosing.prefilled import PrefilledPrompts, frozen, prefill_prompts
from mata_audio.families import locate
from mata_audio.methods import MATA, Changes, Mass
from mata_audio.methods.contrast import Contrast
from mata_audio.steering.formulas import FORMULAS
from subject import Subject

QUESTIONS: list[tuple[str, list[float]]] = [("What is this?", [1.0]), ("Who is there?", [1.0])]
ANSWERS = [[70, 71, 72], [80]]
SEVERAL = "mass:audio,add:text,value:audio,value:text,add:special"


def read(subject: Subject, answers: list[list[int]] = ANSWERS) -> PrefilledPrompts:
    return prefill_prompts(subject.model, subject.inputs(QUESTIONS), answers)


def drawn(numbers: FittedNumbers, seed: int = 0) -> list[Tensor]:
    """Random numbers of this shape, with four decimals."""
    draw = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(own.shape, generator=draw) * 0.4).double().round(decimals=4)
        for own in numbers.parameters()
    ]


def loss(numbers: FittedNumbers, prompts: PrefilledPrompts) -> Tensor:
    with numbers.attachment() as attachment:
        log_p, _ = numbers.log_p(prompts, attachment)
    return -prompts.of_answer(log_p).sum()


KINDS = [f"{formula}:audio" for formula in FORMULAS] + ["add:text", "value:text", "add:special"]


@pytest.mark.parametrize("kinds", [*KINDS, "mass:text+special", SEVERAL])
@pytest.mark.parametrize("contrast", [False, True], ids=["one view", "contrast"])
def test_gradients_are_slopes(
    qwen2_audio: Subject, kinds: str, contrast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Central differences in float64; the step is not smaller because norms are in float32.

    Without the cut, which is a step: which tokens it rules out has no slope.
    """
    monkeypatch.setattr(fitted_numbers, "_CONTRAST", Contrast(cut=0.0))
    inputs = {
        name: value.double() if value.is_floating_point() else value
        for name, value in qwen2_audio.inputs(QUESTIONS).items()
    }
    model = copy.deepcopy(qwen2_audio.model).double()
    prompts = prefill_prompts(model, inputs, ANSWERS)
    fitting = Fitting(read_kinds(kinds), contrast=contrast)
    numbers = FittedNumbers(locate(model), fitting, qwen2_audio.processor.tokenizer)
    at = drawn(numbers)
    numbers.set(at)
    with frozen(model), torch.enable_grad():
        loss(numbers, prompts).backward()
        numbers.lead_back()
    found = [own.grad for own in numbers.parameters()]
    largest, step = 0.0, 1e-2
    with torch.no_grad():
        for place, gradient in enumerate(found):
            assert gradient is not None
            for index in {(0, 0), (1, 3)} if gradient.dim() else {()}:
                sides = []
                for sign in (1, -1):
                    moved = [own.clone() for own in at]
                    moved[place][index] += sign * step
                    numbers.set(moved)
                    sides.append(float(loss(numbers, prompts)))
                slope = (sides[0] - sides[1]) / (2 * step)
                assert float(gradient[index]) == pytest.approx(slope, abs=5e-5, rel=1e-3)
                largest = max(largest, abs(slope))
    assert largest > 1e-3  # else this test shows nothing


@pytest.mark.parametrize("shape", ["per-layer", "shared"])
def test_fewer_numbers_have_the_summed_slopes(subject: Subject, shape: str) -> None:
    prompts = read(subject)
    found = {}
    for own in ("per-head", shape):
        fitting = Fitting(read_kinds("mass,add:text"), shape=own)
        numbers = FittedNumbers(locate(subject.model), fitting, subject.processor.tokenizer)
        with frozen(subject.model), torch.enable_grad():
            loss(numbers, prompts).backward()
            numbers.lead_back()
        found[own] = [value.grad for value in numbers.parameters()]
    for every, few in zip(found["per-head"], found[shape], strict=True):
        assert every is not None
        assert few is not None
        over = {"per-layer": (1,), "shared": (0, 1)}[shape]
        torch.testing.assert_close(few, every.sum(over, keepdim=True), atol=1e-6, rtol=0)


def setting_of(numbers: FittedNumbers, fitting: Fitting) -> Any:
    gains = [own.detach().double().round(decimals=4) for own in numbers.gains()]
    weight = None if numbers.weight is None else round(float(numbers.weight.detach()), 4)
    return fitted_setting(fitting, gains, weight)


@pytest.mark.parametrize(
    ("kinds", "method"),
    [
        ("mass", Mass),
        ("multiply", MATA),
        ("value", MATA),
        ("add:text", Changes),
        (SEVERAL, Changes),
    ],
)
@pytest.mark.parametrize("contrast", [False, True], ids=["one view", "contrast"])
def test_the_setting_gives_the_log_probabilities_that_the_fit_saw(
    subject: Subject, kinds: str, method: type, contrast: bool
) -> None:
    """Whole passes, teacher-forced, under the setting as users run it."""
    prompts = read(subject)
    fitting = Fitting(read_kinds(kinds), contrast=contrast)
    tokenizer = subject.processor.tokenizer
    numbers = FittedNumbers(locate(subject.model), fitting, tokenizer)
    numbers.set(drawn(numbers, seed=3))
    with torch.no_grad(), numbers.attachment() as attachment:
        log_p, right = numbers.log_p(prompts, attachment)
    setting = setting_of(numbers, fitting)
    assert type(setting) is (Changes if contrast else method)
    inputs = subject.inputs(QUESTIONS)
    width = inputs["input_ids"].shape[1]
    for item, answer in enumerate(ANSWERS):
        own = {name: value[item : item + 1] for name, value in inputs.items()}
        own["input_ids"] = torch.cat([own["input_ids"], torch.tensor([answer])], 1)
        own["attention_mask"] = torch.ones_like(own["input_ids"])
        with torch.no_grad(), setting(subject.model, prompt_length=width, tokenizer=tokenizer):
            logits = subject.model(**own).logits[0, width - 1 : -1]
        for place, token in enumerate(answer):
            mine = log_p[item, place]
            if torch.isinf(logits[place, token]):  # ruled out: the fit counts it as if it were not
                assert contrast
                assert bool(torch.isfinite(mine[token]))
                mine = mine.clone()
                mine[token] = -torch.inf
                mine = mine.log_softmax(-1)
            torch.testing.assert_close(mine, logits[place].log_softmax(-1), atol=1e-5, rtol=0)
        said = logits.argmax(-1).tolist()
        assert bool(right[item]) == (said == answer)


def test_a_ruled_out_answer_is_not_right(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contrast makes it the likeliest, but the cut rules it out: generate never says it."""
    cut = 0.95  # rules out nearly everything: these models are never sure
    monkeypatch.setattr(fitted_numbers, "_CONTRAST", Contrast(cut=cut))
    inputs = subject.inputs(QUESTIONS)
    with torch.no_grad():
        heard = subject.model(**inputs).logits[:, -1]
        with Mass(alpha=-1, layers="all")(subject.model):
            unheard = subject.model(**inputs).logits[:, -1]
    answers = (heard - unheard).argmax(-1)
    share = heard.softmax(-1) / heard.softmax(-1).amax(-1, keepdim=True)
    assert bool((share.gather(1, answers[:, None]) < cut).all())  # else this test shows nothing
    numbers = FittedNumbers(locate(subject.model), Fitting(contrast=True))
    prompts = read(subject, answers[:, None].tolist())
    numbers.set([torch.zeros_like(numbers.tables[0]), torch.tensor(1e6)])
    with torch.no_grad(), numbers.attachment() as attachment:
        log_p, right = numbers.log_p(prompts, attachment)
    assert log_p[:, 0].argmax(-1).tolist() == answers.tolist()
    assert right.tolist() == [False, False]


def summed(subject: Subject, setting: Any, answers: list[list[int]]) -> float:
    """Negative log-probability of one-token answers, by plain passes."""
    inputs = subject.inputs(QUESTIONS)
    with torch.no_grad(), setting(subject.model):
        log_p = subject.model(**inputs).logits[:, -1].log_softmax(-1)
    return -float(log_p.gather(1, torch.tensor(answers)).sum())


def test_a_planted_optimum_is_found(subject: Subject) -> None:
    """One shared gain: the best of a fine grid, tried by plain passes under the public method."""
    inputs = subject.inputs(QUESTIONS)
    with torch.no_grad():
        plain = subject.model(**inputs).logits[:, -1].log_softmax(-1)
        with Mass(alpha=0.8, layers="all")(subject.model):
            planted = subject.model(**inputs).logits[:, -1].log_softmax(-1)
        with Mass(alpha=1.6, layers="all")(subject.model):
            beyond = subject.model(**inputs).logits[:, -1].log_softmax(-1)
    # Tokens that are likeliest near the planted gain: up on the way there, and down beyond it.
    answers = (torch.minimum(planted - plain, planted - beyond)).argmax(-1, keepdim=True).tolist()
    grid = torch.arange(-40, 81) / 20
    losses = [summed(subject, Mass(alpha=float(a), layers="all"), answers) for a in grid]
    best = float(grid[int(torch.tensor(losses).argmin())])
    prompts = Prompts(read(subject, answers), torch.zeros(0, 2, dtype=torch.bool))
    fitting = Fitting(shape="shared", penalty=0, steps=150, patience=150, rate=0.05)
    found = fit(subject.model, [prompts], [prompts], fitting)
    assert found.gains[0].unique().numel() == 1
    gain = float(found.gains[0].flatten()[0])
    assert summed(subject, Mass(alpha=gain, layers="all"), answers) <= min(losses) + 1e-5
    assert gain == pytest.approx(best, abs=0.06)
    assert abs(best) > 0.2  # else this test shows nothing


def test_a_spread_penalty_draws_heads_together(subject: Subject) -> None:
    """Their mean is free, unlike with the other penalty. The answers need more audio throughout."""
    inputs = subject.inputs(QUESTIONS)
    with torch.no_grad():
        plain = subject.model(**inputs).logits[:, -1].log_softmax(-1)
        with Mass(alpha=0.8, layers="all")(subject.model):
            more = subject.model(**inputs).logits[:, -1].log_softmax(-1)
    answers = (more - plain).argmax(-1, keepdim=True).tolist()
    prompts = Prompts(read(subject, answers), torch.zeros(0, 2, dtype=torch.bool))
    free, tied, small = (
        fit(
            subject.model,
            [prompts],
            [prompts],
            Fitting(steps=25, penalty=penalty, spread_penalty=spread),
        ).gains[0]
        for penalty, spread in ((0, 0), (0, 30), (30, 0))
    )
    assert tied.std() < free.std() / 3
    assert abs(float(tied.mean())) > 2 * abs(float(small.mean()))


def test_kinds_are_read() -> None:
    assert read_kinds("mass, add:special+text") == (Kind("mass"), Kind("add", "text,special"))
    assert [str(kind) for kind in read_kinds("mass,value:text+special")] == [
        "mass:audio",
        "value:text+special",
    ]
    assert read_keep(["sub-category=caption agrees"]) == (("sub-category", "caption agrees"),)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: read_kinds("double"), "formula must be one of"),
        (lambda: read_kinds("mass:Everything!"), "keys must be out of"),
        (lambda: Fitting(kinds=()), "at least one kind"),
        (lambda: Fitting(kinds=read_kinds("mass,mass:audio")), "each once"),
        (lambda: Fitting(shape="per-brain"), "shape must be one of"),
        (lambda: Fitting(penalty=-1), "penalty"),
        (lambda: Fitting(folds=0), "folds must be a whole number of at least 1"),
        (lambda: Fitting(hold=3.0, contrast=True), "leave out one of them"),
        (lambda: read_keep(["caption agrees"]), "write KEY=GROUP"),
        (lambda: scaled(Contrast(), 0.5), "contrast has no strength"),
    ],
)
def test_wrong_values_are_refused(build: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        build()
