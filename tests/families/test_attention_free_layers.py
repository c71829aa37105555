"""Nemotron-H: layer numbers count every decoder layer, with attention or without."""

from __future__ import annotations

import pytest
import torch

from families.subjects import FamilySubject, subject_of
from mata_audio import MATA, SettingsError
from mata_audio.families import locate
from mata_audio.notation.layers import with_attention
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.gain_tensor import KeyGains


@pytest.fixture
def nemotron() -> FamilySubject:
    return subject_of("nemotron_h_omni")


def test_layers_are_numbered_as_in_the_decoder(nemotron: FamilySubject) -> None:
    located = locate(nemotron.model)
    kinds = [layer.block_type for layer in nemotron.decoder.layers]
    assert kinds[1] == kinds[3] == "full_attention"
    assert located.depth == len(kinds) == 6
    assert located.attending == (1, 3)
    assert located.attentions[3] is nemotron.decoder.layers[3].mixer
    assert located.attentions[0] is located.attentions[5] is None


@pytest.mark.parametrize(
    ("layers", "taken"),
    [
        ("0-5", (1, 3)),
        (range(3), (1,)),
        ("1", (1,)),
        ([3], (3,)),
        ("0-1,3", (1, 3)),
        ("3-5", (3,)),
        (None, (3,)),  # the paper's, at this depth: 2-3
    ],
)
def test_a_range_takes_the_layers_that_attend(
    nemotron: FamilySubject, layers: object, taken: tuple[int, ...]
) -> None:
    inputs = nemotron.small.inputs(nemotron.small.questions)
    with torch.no_grad(), MATA(layers=layers)(nemotron.model) as applied:
        nemotron.model(**inputs)
    assert applied.receipt.layers == taken
    assert applied.receipt.depth == 6


@pytest.mark.parametrize(
    ("layers", "wrong"), [("5", "5"), ([0], "0"), ("1,4", "4"), ("0-1,5", "5"), ("4-5", "4-5")]
)
def test_a_layer_named_by_itself_must_attend(
    nemotron: FamilySubject, layers: object, wrong: str
) -> None:
    with pytest.raises(SettingsError, match=f"no attention in layers {wrong} .* are 1,3"):
        MATA(layers=layers).attach(nemotron.model)


def test_layers_beyond_the_decoder_are_still_an_error(nemotron: FamilySubject) -> None:
    with pytest.raises(SettingsError, match="numbered 0-5"):
        MATA(layers="0-9").attach(nemotron.model)


def test_gains_for_a_layer_without_attention(nemotron: FamilySubject) -> None:
    gains = torch.zeros(6, 1, 4)
    gains[2] = 1.0
    with pytest.raises(SettingsError, match="no attention in layers 2 "):
        Attachment(locate(nemotron.model), [KeyGains(gains)])


def test_a_saved_range_stays_a_range(nemotron: FamilySubject, tmp_path) -> None:
    MATA(layers="0-3").save(tmp_path / "setting.json")
    MATA.load(tmp_path / "setting.json").attach(nemotron.model).detach()


def test_every_layer_attends_in_most_models() -> None:
    assert with_attention((2, 5), range(8)) == (2, 5)
