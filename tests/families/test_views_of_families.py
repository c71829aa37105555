"""In every family several views of a prompt are exact, or refused if the cache cannot hold them."""

from __future__ import annotations

import pytest
import torch

from checks import greedy
from families.subjects import FamilySubject, subject_of
from families.test_one_prefill_of_families import assert_one_prefill_is_enough
from mata_audio import MATA, CacheError
from mata_audio.methods.contrast import Contrast
from mata_audio.methods.method import Method
from mata_audio.settings.named import NamedSetting
from mata_audio.steering.rule import UNHEARD, Change, Rule
from ruled import (
    Ruled,
    assert_generated_exactly,
    assert_same_logits,
    expected_logits,
    three_views_combined,
)
from traces import traces

CONTRAST = Contrast(alpha=8.0, power=1.0, cut=0.2)
MAMBA = "nemotron_h_omni"


def three_views(family: FamilySubject) -> Ruled:
    """A method that steers its first view too, and others in other layers."""
    first, second = list(family.layers)[:2]
    views = (
        (Change("add", 2.0, layers=(first,)),),
        UNHEARD,
        (
            Change("multiply", -2.0, layers=(second,), heads=(1, 2)),
            Change("value", 2.0, layers=(first,)),
        ),
    )
    return Ruled(Rule(views, combine=three_views_combined))


@pytest.fixture(params=["contrast", "three-views"])
def method(request: pytest.FixtureRequest, family: FamilySubject) -> Method:
    """Two methods of several views, on families that can hold them."""
    if family.small.model_type == MAMBA:
        pytest.skip("refused: test_states_of_mamba_are_refused")
    return CONTRAST if request.param == "contrast" else three_views(family)


def test_cached_generation(family: FamilySubject, method: Method) -> None:
    before = traces(family.small.model)
    with method(family.small.model):
        output = family.model.generate(
            **(inputs := family.small.inputs(family.small.questions)), **greedy(family)
        )
    assert traces(family.small.model) == before
    assert_generated_exactly(family, inputs, output, method)


def test_reading_prompts_padded_on_the_right(family: FamilySubject, method: Method) -> None:
    """All audio must end before the first sample does."""
    one, *others = family.small.questions
    inputs = family.small.inputs([one._replace(text=20), *others], "right")
    call = {**inputs, **family.layout.positions(inputs)}
    with torch.no_grad(), method(family.small.model):
        logits = family.model(**call).logits
    mask = inputs["attention_mask"]
    rows = mask.bool() & (mask.cumsum(1) == mask.sum(1, keepdim=True))
    expected = expected_logits(family, inputs, method, rows=rows)
    assert_same_logits(logits[mask.bool()], expected[mask.bool()])


def test_one_prefill_serves_settings_of_any_number_of_views(family: FamilySubject) -> None:
    if family.small.model_type == MAMBA:
        pytest.skip("refused: test_states_of_mamba_are_refused")
    settings = [
        NamedSetting("mata", MATA(alpha=3.0, layers=family.layers)),
        NamedSetting("contrast", CONTRAST),
        NamedSetting("aad", Contrast(alpha=4.0, power=0.0, cut=0.0)),
        NamedSetting("three views", three_views(family)),
    ]
    assert_one_prefill_is_enough(family, family.small.questions[1], settings)


def test_states_of_mamba_are_refused() -> None:
    family = subject_of(MAMBA)
    inputs = family.small.inputs(family.small.questions)
    before = traces(family.small.model)
    with CONTRAST(family.small.model), pytest.raises(CacheError, match="cannot hold several views"):
        family.model.generate(**inputs, **greedy(family))
    assert traces(family.small.model) == before
