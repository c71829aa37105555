"""MATA on every family written out in full, in float64: what the product is held against.

It shares no code with the product. The model is a float64 copy that reads the whole sequence at
once, without a cache. Its eager attention is replaced by one that builds the whole score matrix,
changes the chosen entries, and hides keys by rules written here: padding, causality, windows, and
that the tokens of one image see each other.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from mata_audio.doctor.small_models.small_model import AUDIO, IMAGE, VIDEO


@dataclass(frozen=True)
class Setting:
    """What is changed.

    Args:
        layers: decoder layers.
        heads: query heads; None for all.
        alpha, formula: strength, and "multiply", "absolute" or "add".
        tokens: whose keys: "audio", "image", "video", or several with commas.
        rows: "last" or "all" rows of the prompt.
    """

    layers: Sequence[int]
    alpha: float = 0.7
    formula: str = "multiply"
    heads: Sequence[int] | None = None
    tokens: str = "audio"
    rows: str = "last"


@dataclass(frozen=True)
class Layout:
    """Where the reference looks in a model, found by hand.

    Args:
        decoder: path from the module that is called to the module with ``layers``.
        attention: attribute of a layer.
        windows: keys that each sliding layer sees; a layer that is not here sees all.
        counts_positions: whether the model works positions out from the mask by itself.
        single: path to an encoder that runs in float32 alone; "" where there is none.
        mutual: layers in which the tokens of one image see each other.
    """

    decoder: str = "model.language_model"
    attention: str = "self_attn"
    windows: tuple[tuple[int, int], ...] = ()
    counts_positions: bool = False
    single: str = ""
    mutual: tuple[int, ...] = ()

    def decoder_in(self, model: nn.Module) -> Any:
        """The decoder; older Transformers keep an Omni thinker's one level higher."""
        path = self.decoder
        if path == "model.language_model" and not hasattr(
            model.get_submodule("model"), "language_model"
        ):
            path = "model"
        return model.get_submodule(path)


TOKEN_IDS = {"audio": AUDIO, "image": IMAGE, "video": VIDEO}
_OMNI = Layout(counts_positions=True)
_WINDOWS = ((0, 12), (2, 12), (4, 12))
LAYOUTS = {
    "qwen2_5_omni": _OMNI,
    "qwen2_5_omni_thinker": _OMNI,
    "qwen3_omni_moe": _OMNI,
    "qwen3_omni_moe_thinker": _OMNI,
    "phi4_multimodal": Layout(decoder="model"),
    "gemma3n": Layout(windows=_WINDOWS),
    "gemma4": Layout(windows=_WINDOWS, single="model.audio_tower"),
    "qwen2_5_vl": Layout(counts_positions=True),
    "qwen3_vl": Layout(counts_positions=True),
    "gemma3": Layout(windows=((0, 12), (2, 12)), mutual=(0, 1, 2, 3)),
    "nemotron_h_omni": Layout(decoder="language_model.model", attention="mixer"),
}


def changed(scores: Tensor, alpha: float, formula: str) -> Tensor:
    """The three formulas, as the paper and its relatives state them."""
    if formula == "multiply":
        return (1 + alpha) * scores
    if formula == "absolute":
        return scores + alpha * scores.abs()
    assert formula == "add"
    return scores + alpha


def _same_image(ids: Tensor) -> Tensor:
    """Which pairs of slots belong to one image: no slot from one to the other is anything else."""
    others = (ids != IMAGE).int().cumsum(1)
    images = ids == IMAGE
    return images[:, :, None] & images[:, None] & (others[:, :, None] == others[:, None])


@contextmanager
def full_scores(
    twin: nn.Module,
    layout: Layout,
    setting: Setting,
    active: Tensor,
    audio: Tensor,
    real: Tensor,
    softcap: float | None = None,
    mutual: Tensor | None = None,
) -> Iterator[list[int]]:
    """Replace the decoder's attention; yields the layers that attended, in the order they did.

    ``mutual`` is True at pairs of slots that see each other in ``layout.mutual`` whatever their
    order, shape ``(batch, length, length)``.
    """
    layers = layout.decoder_in(twin).layers
    own = {id(getattr(layer, layout.attention, None)): i for i, layer in enumerate(layers)}
    windows = dict(layout.windows)
    attended: list[int] = []
    length = real.shape[1]
    slots = torch.arange(length)
    causal = slots[:, None] >= slots[None, :]
    files = {sys.modules[type(getattr(layer, layout.attention)).__module__] for layer in layers}
    (file,) = {file for file in files if hasattr(file, "eager_attention_forward")}
    original = file.eager_attention_forward

    def attention(
        module: Any, q: Tensor, k: Tensor, v: Tensor, attention_mask: Any, **kwargs: Any
    ) -> Any:
        if id(module) not in own:  # an encoder of the same file
            return original(module, q, k, v, attention_mask, **kwargs)
        layer = own[id(module)]
        attended.append(layer)
        assert q.shape[2] == k.shape[2] == length
        groups = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        scores = torch.einsum("bhid,bhjd->bhij", q, k) * kwargs["scaling"]
        if layer in setting.layers:
            chosen = torch.zeros(q.shape[1], dtype=torch.bool)
            chosen[list(range(q.shape[1]) if setting.heads is None else setting.heads)] = True
            spots = active[:, None, :, None] & audio[:, None, None, :]
            spots = spots & chosen[None, :, None, None]
            scores = torch.where(spots, changed(scores, setting.alpha, setting.formula), scores)
        if softcap is not None:
            scores = softcap * torch.tanh(scores / softcap)
        seen = causal & real[:, None, None, :]
        if layer in windows:
            seen = seen & (slots[:, None] - slots[None, :] < windows[layer])
        if mutual is not None and layer in layout.mutual:
            seen = seen | mutual[:, None]
        scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        return torch.einsum("bhij,bhjd->bihd", weights, v), weights

    with mock.patch.object(file, "eager_attention_forward", attention):
        yield attended


def double(model: nn.Module, layout: Layout) -> nn.Module:
    """A float64 copy of ``model`` whose decoder runs eager attention."""
    twin = copy.deepcopy(model).double()
    # Encoders inside keep theirs: the eye of Phi-4 looks ahead in eager attention and not in SDPA.
    layout.decoder_in(twin).set_attn_implementation({"": "eager"})
    twin.set_experts_implementation("eager")  # the grouped kernels know no float64
    if layout.single:
        _keep_single(twin.get_submodule(layout.single))
    return twin


def _keep_single(encoder: nn.Module) -> None:
    """Leave an encoder in float32 between modules in float64: MATA does not change what it does."""

    def narrow(module: Any, args: Any) -> Any:
        return tuple(value.float() if value.is_floating_point() else value for value in args)

    def widen(module: Any, args: Any, output: Any) -> None:
        output.last_hidden_state = output.last_hidden_state.double()

    encoder.float()
    encoder.register_forward_pre_hook(narrow)
    encoder.register_forward_hook(widen)


def positions(inputs: dict[str, Any], layout: Layout) -> dict[str, Tensor]:
    """Positions counted in real tokens, where the model does not count them itself."""
    if layout.counts_positions:
        return {}
    return {"position_ids": (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)}


def expected(
    twin: nn.Module,
    layout: Layout,
    inputs: dict[str, Any],
    setting: Setting,
    *,
    generated: Tensor | None = None,
    softcap: float | None = None,
) -> Tensor:
    """Logits of every position, shape (batch, length, vocabulary), float64.

    Args:
        twin: of the model under test, from :func:`double`.
        layout: of its family.
        inputs: the model's arguments; each prompt's last token and later ones are active.
        setting: the intervention.
        generated: tokens after each (left-padded) prompt, shape (batch, new).
        softcap: cap of the scores.
    """
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    audio = torch.isin(ids, torch.tensor([TOKEN_IDS[name] for name in setting.tokens.split(",")]))
    last = torch.where(mask.bool(), torch.arange(ids.shape[1]), -1).amax(1)
    if generated is not None:
        ids = torch.cat([ids, generated], 1)
        mask = torch.cat([mask, torch.ones_like(generated)], 1)
        audio = torch.cat([audio, torch.zeros_like(generated, dtype=torch.bool)], 1)
    active = mask.bool()
    if setting.rows == "last":
        active = active & (torch.arange(ids.shape[1]) >= last[:, None])
    rest = {
        name: value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in inputs.items()
        if name not in ("input_ids", "attention_mask")
    }
    for name in rest.keys() & {"token_type_ids", "mm_token_type_ids"}:
        rest[name] = (ids == IMAGE).long() + 2 * (ids == VIDEO).long()
    call = {"input_ids": ids, "attention_mask": mask}
    same = _same_image(ids) if layout.mutual else None
    with (
        torch.no_grad(),
        full_scores(twin, layout, setting, active, audio, mask.bool(), softcap, same) as attended,
    ):
        logits: Tensor = twin(**call, **positions(call, layout), **rest, use_cache=False).logits
    assert set(setting.layers) <= set(attended)
    return logits
