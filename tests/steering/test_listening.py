"""The receipt's audio mass and negative scores, against weights of the float64 reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from checks import each_formula, greedy
from families.subjects import FamilySubject, subject_of
from mata_audio import MATA
from mata_audio.families import locate
from mata_audio.methods.contrast import Contrast
from mata_audio.methods.mass import Mass
from mata_audio.models import one_prefill
from mata_audio.models.one_prefill import generate_all
from mata_audio.settings.named import NamedSetting, with_baseline
from mata_audio.steering import listening
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.by_rule import attachment_by_rule
from mata_audio.steering.gain_tensor import KeyGains
from mata_audio.steering.key_kinds import KeyKinds
from mata_audio.steering.listening import Listening, ListeningCounts
from mata_audio.steering.rule import UNHEARD, Change, Rule
from reference import Steering, named_tokens

CLOSE = 1e-5


@pytest.fixture(params=["qwen2_audio", "qwen2_5_omni", "gemma3n"])
def family(request: pytest.FixtureRequest) -> FamilySubject:
    """Families that number positions differently; Gemma's layers see a window of keys."""
    return subject_of(request.param)


def expected_masses(
    family: FamilySubject, inputs: dict[str, Tensor], steering: Steering, **more: Any
) -> tuple[float, float]:
    """Mean attention on audio, of the rows' own scores and as used, by the reference."""
    shown: dict[int, tuple[Tensor, Tensor]] = {}
    family.expected(inputs, steering, shown=shown, **more)
    ids, real = inputs["input_ids"], inputs["attention_mask"].bool()
    audio = named_tokens(ids, "audio", family.audio_token_id) & real
    active = real & audio.any(1, keepdim=True)
    if steering.rows == "last":
        active &= real.cumsum(1) == real.sum(1, keepdim=True)
    heads = slice(None) if steering.heads is None else list(steering.heads)
    found = []
    for place in (0, 1):
        weights = [shown[layer][place][:, heads] for layer in steering.layers]
        masses = [(own * audio[:, None, None]).sum(-1).transpose(1, 2)[active] for own in weights]
        found.append(torch.cat(masses).mean().item())
    return found[0], found[1]


def assert_masses(found: Any, expected: Sequence[float]) -> None:
    assert found.mass_before == pytest.approx(expected[0], abs=CLOSE)
    assert found.mass_after == pytest.approx(expected[1], abs=CLOSE)
    assert abs(expected[1] - expected[0]) > 100 * CLOSE, "a mass that stays proves nothing"


def read(family: FamilySubject, inputs: dict[str, Tensor]) -> None:
    with torch.no_grad():
        family.model(**inputs, **family.layout.positions(inputs))


@pytest.mark.parametrize("side", ["left", "right"])
@each_formula
def test_padded_prompts(family: FamilySubject, formula: str, side: str) -> None:
    """Two prompts with clips and one without, of unequal lengths, in some heads."""
    inputs = family.small.inputs(family.small.questions, side)
    steering = Steering(family.layers, formula=formula, heads=[0, 2])
    with MATA(**vars(steering))(family.small.model) as applied:
        read(family, inputs)
    assert_masses(applied.receipt, expected_masses(family, inputs, steering))
    assert applied.receipt.listening.rows == 2 * 2 * len(family.layers)


@pytest.mark.parametrize("at_once", [1, 2000, 2**23])
@pytest.mark.parametrize("formula", ["multiply", "mass"])
def test_every_row_of_a_prompt(
    family: FamilySubject, formula: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In chunks and at once; rows before the audio hear none of it."""
    monkeypatch.setattr("mata_audio.steering.layer.MAX_SCORES", at_once)
    monkeypatch.setattr(listening, "MAX_PENDING", at_once)
    inputs = family.small.inputs(family.small.questions)
    steering = Steering(family.layers, formula=formula, rows="all")
    with MATA(**vars(steering))(family.small.model) as applied:
        read(family, inputs)
    assert_masses(applied.receipt, expected_masses(family, inputs, steering))


def test_a_mass_may_exceed_1(family: FamilySubject) -> None:
    inputs = family.small.inputs(family.small.questions)
    steering = Steering(family.layers, alpha=20.0, formula="mass")
    with Mass(alpha=20, layers=family.layers)(family.small.model) as applied:
        read(family, inputs)
    assert_masses(applied.receipt, expected_masses(family, inputs, steering))
    assert applied.receipt.mass_after is not None
    assert applied.receipt.mass_after > 1


def test_other_keys_are_lowered(family: FamilySubject) -> None:
    """The mass is that on audio, whatever keys are changed."""
    inputs = family.small.inputs(family.small.questions)
    ids, real = inputs["input_ids"], inputs["attention_mask"].bool()
    text = real & (ids != family.audio_token_id)
    located = locate(family.small.model)
    gains = torch.zeros(located.depth, 1, located.heads)
    gains[list(family.layers)] = -0.5
    kinds = KeyKinds(("caption",), located.token_ids, spans={"caption": text})
    with Attachment(located, [KeyGains(gains, "absolute", "caption")], kinds=kinds) as attachment:
        read(family, inputs)
    nothing = Steering(family.layers, alpha=0.0)
    lower = Steering(family.layers, alpha=-0.5, formula="absolute")
    expected = expected_masses(family, inputs, nothing, also=[(lower, text)])
    assert_masses(attachment.receipt, expected)
    assert expected[1] > expected[0]


@pytest.mark.parametrize("rows", [4, 64])
def test_settings_that_share_a_prefill(
    family: FamilySubject, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its own masses for each prompt, and its receipt those of all prompts."""
    monkeypatch.setattr(one_prefill, "ROWS_AT_ONCE", rows)
    inputs = family.small.inputs([family.small.questions[0]] * 2)
    inputs["input_ids"][1, -1] = inputs["input_ids"][1, -2]
    steered = {
        name: Steering(family.layers, **how)
        for name, how in (
            ("multiply", {"alpha": 0.7}),
            ("one head", {"alpha": 2.0, "heads": [3], "formula": "add"}),
            ("mass", {"alpha": 0.5, "formula": "mass"}),
        )
    }
    settings = [NamedSetting(name, MATA(**vars(how))) for name, how in steered.items()]
    config = one_prefill.greedy(family.model, _NoTokens(), 3)
    receipts: dict[str, Any] = {}
    found = generate_all(
        family.small.model, inputs, with_baseline(settings), config, receipts=receipts
    )
    for name, how in steered.items():
        assert_masses(receipts[name], expected_masses(family, inputs, how))
        for place, own in enumerate(found):
            alone = {key: value[place : place + 1] for key, value in inputs.items()}
            assert_masses(own[name].listening, expected_masses(family, alone, how))
            assert own["baseline"].listening == Listening()


class _NoTokens:
    eos_token_id = 0
    pad_token_id = 0


def test_only_the_first_view_counts(family: FamilySubject) -> None:
    inputs = family.small.inputs(family.small.questions)
    change = Change("add", 0.7, layers=tuple(family.layers))
    rule = Rule(((change,), UNHEARD), combine=lambda logits: logits[0])
    located = locate(family.small.model)
    with attachment_by_rule(located, [rule]) as attachment:
        family.model.generate(**inputs, **greedy(family))
    steering = Steering(family.layers, formula="add")
    assert_masses(attachment.receipt, expected_masses(family, inputs, steering))
    with Contrast()(family.small.model) as applied:
        family.model.generate(**inputs, **greedy(family))
    assert applied.receipt.mass_before is None  # its first view is the model's own
    assert "audio mass     -" in str(applied.receipt)


@each_formula
def test_an_answer_adds_nothing(
    family: FamilySubject, formula: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows after the prompt are not noted, so they cost nothing."""
    noted: list[int] = []
    add = ListeningCounts.add
    monkeypatch.setattr(
        ListeningCounts, "add", lambda self, one: (noted.append(1), add(self, one))[1]
    )
    inputs = family.small.inputs(family.small.questions)
    steering = Steering(family.layers, formula=formula)
    with MATA(**vars(steering))(family.small.model) as applied:
        family.model.generate(**inputs, **greedy(family))
    assert len(noted) == len(family.layers)
    assert_masses(applied.receipt, expected_masses(family, inputs, steering))


def test_it_is_counted_when_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting would launch kernels in every generation."""
    family, counted = subject_of("qwen2_audio"), []
    real = listening._counted
    monkeypatch.setattr(listening, "_counted", lambda kept: counted.append(len(kept)) or real(kept))
    inputs = family.small.inputs(family.small.questions[1:2])
    with MATA(alpha=0.5, layers=family.layers)(family.small.model) as applied:
        for _ in range(3):
            family.model.generate(**inputs, **greedy(family, max_new_tokens=2))
    assert not counted
    later = applied.receipt.listening
    assert sum(counted) == 3 * len(family.layers)
    assert applied.receipt.listening == later
    assert sum(counted) == 3 * len(family.layers)  # nothing twice

    monkeypatch.setattr(listening, "MAX_KEPT", 0)
    with MATA(alpha=0.5, layers=family.layers)(family.small.model) as applied:
        for _ in range(3):
            family.model.generate(**inputs, **greedy(family, max_new_tokens=2))
    assert sum(counted) == 6 * len(family.layers)
    assert applied.receipt.listening == later
