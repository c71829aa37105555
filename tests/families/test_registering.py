"""Models that are not in Transformers: the example in the docs is exact, wrong uses are refused."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

import mata_audio
from checks import SETTING
from mata_audio import MATA, SettingsError, UnsupportedModelError, register_family
from mata_audio.families.registering import REGISTERED
from reference import Layout, Steering, double, full_score_attention

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "salmonn_like.py"


@pytest.fixture
def example() -> Any:
    """The example's globals; what it registers is removed afterwards."""
    before = dict(REGISTERED)
    yield runpy.run_path(str(EXAMPLE))
    REGISTERED.clear()
    REGISTERED.update(before)


def asked(batch: int) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return {
        "features": torch.randn(batch, 16, 200, generator=random),
        "before": torch.randint(5, 128, (batch, 4), generator=random),
        "after": torch.randint(5, 128, (batch, 9), generator=random),
    }


@pytest.mark.parametrize("formula", ["multiply", "absolute"])
def test_the_example_is_exact(example: dict[str, Any], formula: str) -> None:
    """Against a float64 copy of its Llama with full score matrices, token by token."""
    torch.manual_seed(0)
    model = example["SalmonnLike"]().eval()
    prompt = asked(2)
    options = {"return_dict_in_generate": True, "output_logits": True, "do_sample": False}
    with torch.no_grad(), MATA(**SETTING, formula=formula)(model) as applied:
        output = model.generate(**prompt, **options, max_new_tokens=4)
    assert applied.receipt.audio_tokens == (10, 10)
    embeds = model.prompt(**prompt)["inputs_embeds"]
    width = embeds.shape[1]
    answer = model.llama.get_input_embeddings()(output.sequences)
    layout = Layout(decoder="model")
    twin = double(model.llama, layout)
    audio = torch.zeros(2, width + 4, dtype=torch.bool)
    audio[:, 4:14] = True
    active = torch.zeros_like(audio)
    active[:, width - 1 :] = True
    masks = {"active": active, "keys": audio, "real": torch.ones_like(audio)}
    steering = Steering(**SETTING, formula=formula)
    with torch.no_grad(), full_score_attention(twin, steering, **masks, layout=layout):
        expected = twin(inputs_embeds=torch.cat([embeds, answer], 1).double()).logits
    with torch.no_grad():
        baseline = model.llama(inputs_embeds=embeds).logits[:, -1]
    found = torch.stack(output.logits, 1)
    assert (found - expected[:, width - 1 : -1]).abs().max() < 1e-5
    assert (found[:, 0] - baseline).abs().max() > 1e-3


def test_the_example_runs_and_leaves_the_model(
    example: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    example["main"]()
    printed = capsys.readouterr().out.splitlines()
    baseline, steered = (line.split(" ", 1)[1].strip() for line in printed[:2])
    assert baseline != steered
    assert "  audio tokens   10" in printed


def test_the_docs_show_what_the_example_does() -> None:
    """The docs quote the lines that register it."""
    text = EXAMPLE.read_text(encoding="utf-8")
    call = text[text.index("register_family(\n") : text.index("\n\n\ndef main")]
    assert call in (ROOT / "docs" / "families.md").read_text(encoding="utf-8")


def test_by_a_token(example: dict[str, Any]) -> None:
    """A custom model with an audio token, here a Llama, found by its ``config.model_type``."""
    model = example["SalmonnLike"]().llama.eval()
    with pytest.raises(UnsupportedModelError, match="register_family"):
        MATA(**SETTING).attach(model)
    model.config.sound_token = 7
    register_family("llama", decoder="model", audio_token="sound_token")
    ids = torch.tensor([[5, 7, 7, 7, 9, 11]])
    with torch.no_grad():
        baseline = model(input_ids=ids).logits
        with MATA(**SETTING)(model) as applied:
            steered = model(input_ids=ids).logits
    assert applied.receipt.audio_tokens == (3,)
    assert torch.equal(steered[:, :-1], baseline[:, :-1])
    assert (steered[:, -1] - baseline[:, -1]).abs().max() > 1e-3


def test_wrong_registrations() -> None:
    with pytest.raises(SettingsError, match="either audio_token"):
        register_family("Mine", decoder="model")
    with pytest.raises(SettingsError, match="either audio_token"):
        register_family("Mine", decoder="model", audio_token="a", positions=lambda model: model)
    with pytest.raises(SettingsError, match="is supported already"):
        register_family("qwen2_audio", decoder="model", audio_token="a")
    assert "Mine" not in REGISTERED
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mata_audio.nothing  # noqa: B018
