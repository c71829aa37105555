"""Run a model on its prompts: one pass without a cache, or a greedy answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from mata_audio.doctor.check import Skipped
from mata_audio.doctor.full_scores import FullScores
from mata_audio.doctor.patient import Inputs, Patient

NEW_TOKENS = 4


def read(patient: Patient, inputs: Inputs) -> Tensor:
    """Return the logits of one pass over the whole of ``inputs``, (batch, length, vocabulary)."""
    with _seeded(), torch.no_grad():
        logits: Tensor = patient.listener(**inputs, use_cache=False).logits
    return logits.float()


def read_full_scores(
    patient: Patient,
    inputs: Inputs,
    layers: Sequence[int],
    alpha: float,
    formula: str,
    answer: int = 0,
    narrow: bool = False,
) -> tuple[Tensor, FullScores]:
    """Return what :func:`read` must give while steered, and the full scores with their counts."""
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    located = patient.located
    named = located.ids_of(patient.tokens)
    mutual = [located.token_ids[name] for name in located.family.mutual]
    scores = FullScores.of_prompts(ids, mask, named, alpha, formula, answer, mutual)
    scores.narrow = narrow
    with scores.instead(located, layers):
        return read(patient, inputs), scores


def write(patient: Patient, inputs: Inputs, new_tokens: int = NEW_TOKENS, **options: Any) -> Any:
    """Return the output of a greedy ``generate``, with each step's logits and the cache."""
    defaults = patient.listener.generation_config
    config = GenerationConfig(
        do_sample=False,
        num_beams=options.pop("num_beams", 1),
        max_new_tokens=new_tokens,
        min_new_tokens=new_tokens,
        repetition_penalty=1.0,
        suppress_tokens=list(patient.never),
        eos_token_id=defaults.eos_token_id,
        pad_token_id=patient.pad,
        return_dict_in_generate=True,
        output_logits=True,
        **options.pop("config", {}),
    )
    with _seeded():
        return patient.listener.generate(**inputs, generation_config=config, **options)


def written_logits(output: Any) -> Tensor:
    """Return the logits of each step of :func:`write`, shape (batch, steps, vocabulary)."""
    return torch.stack(output.logits, 1).float()


def continued(patient: Patient, inputs: Inputs, answer: Tensor) -> Inputs:
    """Return ``inputs`` with the tokens of an answer, shape (batch, new), at the end."""
    ids = inputs["input_ids"]
    longer = dict(inputs)
    for name, value in inputs.items():
        if isinstance(value, Tensor) and value.shape == ids.shape:
            longer[name] = torch.cat([value, torch.zeros_like(answer, dtype=value.dtype)], 1)
    longer["input_ids"] = torch.cat([ids, answer], 1)
    mask = inputs["attention_mask"]
    longer["attention_mask"] = torch.cat([mask, torch.ones_like(answer, dtype=mask.dtype)], 1)
    return longer


@contextmanager
def on_backend(patient: Patient, name: str) -> Iterator[None]:
    """Make the decoder use attention function ``name`` of Transformers in a ``with`` block.

    Raises:
        Skipped: the model does not support it.
    """
    if getattr(patient.listener, f"_supports_{_FLAGS[name]}", True) is False:
        raise Skipped(f"{type(patient.listener).__name__} has no {name} attention")
    modules = [patient.located.attention(layer) for layer in patient.located.attending]
    configs: dict[int, Any] = {id(module.config): module.config for module in modules}
    before = [config._attn_implementation_internal for config in configs.values()]
    for config in configs.values():
        config._attn_implementation_internal = name
    try:
        yield
    finally:
        for config, old in zip(configs.values(), before, strict=True):
            config._attn_implementation_internal = old


_FLAGS = {"eager": "eager", "sdpa": "sdpa", "flash_attention_2": "flash_attn"}


@contextmanager
def _seeded() -> Iterator[None]:
    """Fix the seed, so that models which add noise add the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def agreeing(one: Tensor, other: Tensor) -> int:
    """Return how many steps of two answers were preceded by the same tokens; at least one."""
    same = (one == other).all(0).int().cumprod(0)
    return min(int(same.sum()) + 1, one.shape[1])
