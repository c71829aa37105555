"""MATA written out in full, in float64: what the product is held against.

It shares no code with the product. The model is a float64 copy. Its eager attention is replaced by
one that builds every score matrix, changes the chosen entries by the formula, and hides keys by
rules written here: padding, causality, windows, and that the tokens of one image see each other.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional

from mata_audio.doctor.small_models.vocabulary import AUDIO, IMAGE, VIDEO

AFTER_SOFTMAX = ("mass", "clipped_mass", "value")
"""Formulas that leave scores alone and change attention weights: see :func:`reweighed`."""


def changed(scores: Tensor, alpha: Tensor | float, formula: str) -> Tensor:
    """Scores changed by a formula, as the paper and its relatives state it."""
    if formula == "multiply":
        return (1 + alpha) * scores
    if formula == "absolute":
        return scores + alpha * scores.abs()
    if formula == "add":
        return scores + alpha
    if formula in AFTER_SOFTMAX:
        return scores
    raise AssertionError(f"write {formula} in tests/reference.py, independently of the product")


def reweighed(scores: Tensor, spots: Tensor, alpha: Tensor | float, formula: str) -> Tensor:
    """Weights of masked scores, shape (..., rows, keys), changed by a formula at ``spots``."""
    weights = scores.softmax(-1)
    if formula not in AFTER_SOFTMAX:
        return weights
    if formula == "value":
        return torch.where(spots, (1 + alpha) * weights, weights)
    unheard = scores.masked_fill(spots, -torch.inf)
    nothing_else = (unheard <= torch.finfo(torch.float32).min).all(-1, keepdim=True)
    without = torch.where(nothing_else, scores, unheard).softmax(-1)
    if formula == "clipped_mass":
        on_spots = torch.where(spots, weights, 0.0).sum(-1, keepdim=True)
        alpha = torch.minimum(torch.as_tensor(alpha).to(weights), (1 - on_spots) / on_spots)
        alpha = torch.where(on_spots > 0, alpha.clamp(min=-1), 0.0)
    return weights + alpha * (weights - without)


@dataclass(frozen=True)
class Steering:
    """What is changed.

    Args:
        layers: decoder layers.
        alpha: strength; or one for each layer and head, shape (layers, heads).
        formula: one that :func:`changed` knows.
        heads: query heads; None for all.
        tokens: whose keys: "audio", "image", "video", or several with commas.
        rows: active rows of the prompts: "last", "all", or True at each, shape (batch, length).
            Every later row is active too.
    """

    layers: Sequence[int]
    alpha: Tensor | float = 0.7
    formula: str = "multiply"
    heads: Sequence[int] | None = None
    tokens: str = "audio"
    rows: Tensor | str = "last"


@dataclass(frozen=True)
class ByRow(Steering):
    """A change with a strength of its own at each row: alpha times ``strength``.

    Args:
        strength: shape (batch, length), the answer included.
    """

    strength: Tensor | float = 1.0


@dataclass(frozen=True)
class Layout:
    """Where the reference looks in a model, found by hand.

    Args:
        decoder: path from the module that is called to the module with ``layers``.
        attention: attribute of a layer.
        windows: (layer, how many keys it sees) of each sliding layer; the others see all.
        counts_positions: whether the model works out positions from the mask.
        single: path to an encoder that runs only in float32; "" if there is none.
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

    def positions(self, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Positions counted in real tokens, if the model does not count them so itself."""
        if self.counts_positions:
            return {}
        return {"position_ids": (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)}


PLAIN = Layout()


def double(model: nn.Module, layout: Layout = PLAIN) -> Any:
    """A float64 copy of ``model`` whose decoder runs eager attention."""
    twin: Any = copy.deepcopy(model).double()
    # Encoders keep theirs: Phi-4's vision encoder looks ahead in eager attention, not in SDPA.
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


@contextmanager
def full_score_attention(
    model: nn.Module,
    steering: Steering,
    *,
    active: Tensor,
    keys: Tensor,
    real: Tensor,
    also: Sequence[tuple[Steering, Tensor]] = (),
    layout: Layout = PLAIN,
    softcap: float | None = None,
    mutual: Tensor | None = None,
    cached: bool = False,
    others_stock: bool = False,
    shown: dict[int, tuple[Tensor, Tensor]] | None = None,
) -> Iterator[list[int]]:
    """Replace the decoder's eager attention by one with changed scores at active x keys.

    Args:
        model: the one that is called, in float64.
        steering: layers, heads, alpha and formula.
        active: query rows that are changed, shape (batch, length).
        keys: keys that are changed, shape (batch, length).
        real: slots that are not padding, shape (batch, length).
        also: more changes of the same rows, each with its own keys. Scores are changed in this
            order; what each changes of the weights is added up.
        layout: where the attention is.
        softcap: cap of the scores.
        mutual: pairs of slots that see each other in ``layout.mutual`` whatever their order, shape
            (batch, length, length).
        cached: whether a pass may run only the last rows, on a cache; the masks then cover all
            slots there will be.
        others_stock: whether the other layers keep Transformers' attention, to the last bit.
        shown: filled with each layer's weights, of its own raw scores and as used.

    Yields:
        The layers that attended, in the order they did.
    """
    layers = layout.decoder_in(model).layers
    places = {id(getattr(layer, layout.attention, None)): i for i, layer in enumerate(layers)}
    windows = dict(layout.windows)
    attended: list[int] = []
    files = {sys.modules[type(getattr(layer, layout.attention)).__module__] for layer in layers}
    (file,) = {file for file in files if hasattr(file, "eager_attention_forward")}
    original = file.eager_attention_forward

    def attention(
        module: Any, q: Tensor, k: Tensor, v: Tensor, attention_mask: Any, **kwargs: Any
    ) -> Any:
        layer = places.get(id(module))  # None: an encoder of the same file
        if layer is None or (others_stock and layer not in steering.layers):
            return original(module, q, k, v, attention_mask, **kwargs)
        attended.append(layer)
        length = k.shape[2]
        assert cached or q.shape[2] == length == real.shape[1]
        rows = slice(length - q.shape[2], length)
        groups = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        raw = scores = torch.einsum("bhid,bhjd->bhij", q, k) * kwargs["scaling"]
        done = []
        for change, own_keys in ((steering, keys), *also):
            spots, alpha = torch.zeros_like(scores, dtype=torch.bool), change.alpha
            if layer in change.layers:
                heads = torch.zeros(q.shape[1], dtype=torch.bool)
                heads[list(range(q.shape[1]) if change.heads is None else change.heads)] = True
                spots = active[:, None, rows, None] & own_keys[:, None, None, :length]
                spots = spots & heads[None, :, None, None]
                if isinstance(alpha, Tensor):
                    alpha = alpha[layer].double()[None, :, None, None]
                if isinstance(change, ByRow):
                    assert isinstance(change.strength, Tensor)
                    alpha = alpha * change.strength.double()[:, None, rows, None]
                scores = torch.where(spots, changed(scores, alpha, change.formula), scores)
            done.append((spots, alpha, change.formula))
        seen = _seen(real, windows.get(layer), mutual if layer in layout.mutual else None)
        hidden = ~seen[:, :, rows, :length]
        scores = _capped(scores, softcap).masked_fill(hidden, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        weights = weights + sum(reweighed(scores, *how) - weights for how in done)
        if shown is not None:
            plain = _capped(raw, softcap).masked_fill(hidden, torch.finfo(raw.dtype).min)
            shown[layer] = plain.softmax(-1), weights
        return torch.einsum("bhij,bhjd->bihd", weights, v), weights

    with mock.patch.object(file, "eager_attention_forward", attention):
        yield attended


def _capped(scores: Tensor, softcap: float | None) -> Tensor:
    return scores if softcap is None else softcap * torch.tanh(scores / softcap)


def _seen(real: Tensor, window: int | None, mutual: Tensor | None) -> Tensor:
    """Which keys each row sees, shape (batch, 1, length, length)."""
    slots = torch.arange(real.shape[1])
    back = slots[:, None] - slots[None, :]
    seen = (back >= 0) & real[:, None, None, :]
    if window is not None:
        seen = seen & (back < window)
    return seen if mutual is None else seen | mutual[:, None]


def _same_image(ids: Tensor) -> Tensor:
    """Which pairs of slots belong to one image: no slot from one to the other is anything else."""
    others = (ids != IMAGE).int().cumsum(1)
    images = ids == IMAGE
    return images[:, :, None] & images[:, None] & (others[:, :, None] == others[:, None])


def named_tokens(ids: Tensor, tokens: str, audio_token_id: int) -> Tensor:
    """Where ``ids`` hold a token of a kind in ``tokens``, as in :class:`Steering`."""
    token_ids = {"audio": audio_token_id, "image": IMAGE, "video": VIDEO}
    return torch.isin(ids, torch.tensor([token_ids[name] for name in tokens.split(",")]))


def reference_logits(
    twin: nn.Module,
    inputs: Mapping[str, Any],
    steering: Steering,
    *,
    layout: Layout = PLAIN,
    audio_token_id: int = AUDIO,
    prompt_tokens: Sequence[int] | None = None,
    generated: Tensor | None = None,
    softcap: float | None = None,
    also: Sequence[tuple[Steering, Tensor]] = (),
    shown: dict[int, tuple[Tensor, Tensor]] | None = None,
) -> Tensor:
    """Logits of every position, shape (batch, length, vocabulary), float64.

    With ``generated``, only the logits from which those tokens were chosen, shape (batch, new,
    vocabulary). The whole sequence is read at once, without a cache.

    Args:
        twin: of the model under test, from :func:`double`.
        inputs: the model's arguments for the prompts.
        steering: the intervention.
        layout: of the model's family.
        audio_token_id: id at audio positions.
        prompt_tokens: real tokens of each prompt, if the inputs hold part of the answer too.
        generated: tokens after each left-padded prompt, shape (batch, new).
        softcap: cap of the scores.
        also: more changes of the same rows, each with its keys among the prompts', shape (batch,
            length).
        shown: filled with each layer's weights, of its own raw scores and as used.
    """
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    keys = named_tokens(ids, steering.tokens, audio_token_id) & mask.bool()
    lengths = mask.sum(1) if prompt_tokens is None else torch.tensor(prompt_tokens)
    if generated is not None:
        ids = torch.cat([ids, generated], 1)
        mask = torch.cat([mask, torch.ones_like(generated)], 1)
        keys = torch.cat([keys, torch.zeros_like(generated, dtype=torch.bool)], 1)
    real = mask.bool()
    active = real & (mask.cumsum(1) >= lengths[:, None])
    if isinstance(steering.rows, Tensor):
        active[:, : steering.rows.shape[1]] = steering.rows
    elif steering.rows == "all":
        active = real
    else:
        assert steering.rows == "last"
    rest = {
        name: value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in inputs.items()
        if name not in ("input_ids", "attention_mask")
    }
    for name in rest.keys() & {"token_type_ids", "mm_token_type_ids"}:
        rest[name] = (ids == IMAGE).long() + 2 * (ids == VIDEO).long()
    call = {"input_ids": ids, "attention_mask": mask}
    masks = {"active": active, "keys": keys, "real": real}
    later = [(how, functional.pad(own, (0, ids.shape[1] - own.shape[1]))) for how, own in also]
    mutual = _same_image(ids) if layout.mutual else None
    with (
        torch.no_grad(),
        full_score_attention(
            twin,
            steering,
            **masks,
            also=later,
            layout=layout,
            softcap=softcap,
            mutual=mutual,
            shown=shown,
        ) as attended,
    ):
        logits: Tensor = twin(**call, **layout.positions(call), **rest, use_cache=False).logits
    assert set(steering.layers) <= set(attended)
    return logits if generated is None else logits[:, -generated.shape[1] - 1 : -1]
