"""What MATA costs: time and memory of steered generation as ratios to the unmodified model.

Run with ``make bench``. All variants generate from the same prompt, interleaved in one process;
each round gives one ratio to that round's unmodified run, and the median over rounds is printed.
The contrast reads every token of the answer twice, with and without the audio, from one prefill: so
its decoding is to be held against that of the unmodified model with two rows in a batch.
The usual implementation, patching the same layers to eager attention, is measured as well.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from interleaved import measure_rounds, peak, print_costs, reset_peak
from mata_audio import MATA
from mata_audio.doctor.overhead import Clock
from mata_audio.families import locate
from mata_audio.methods import Contrast, Mass
from mata_audio.notation.layers import scaled_paper_layers
from random_model import AUDIO_TOKEN, heading, model_and_prompt, options

TWO_ROWS = "unmodified, twice the rows"


@contextlib.contextmanager
def eager_patch(model: torch.nn.Module, alpha: float, audio: Tensor) -> Iterator[None]:
    """The usual implementation: full-matrix attention in the chosen layers, last row scaled."""

    def attention(
        module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, scaling: float, **_: Any
    ) -> tuple[Tensor, None]:
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        scores = (query @ key.transpose(2, 3)) * scaling
        scores[:, :, -1, : audio.shape[0]] *= 1 + alpha * audio
        rows, keys = scores.shape[2:]
        if rows > 1:
            hidden = torch.ones(rows, keys, dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(hidden, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
        return (weights @ value).transpose(1, 2).contiguous(), None

    AttentionInterface.register("eager_patch", attention)
    located = locate(model)
    chosen = [located.attention(i) for i in scaled_paper_layers(located.depth)]
    originals = [module.config for module in chosen]
    for module in chosen:
        patched: Any = copy.copy(module.config)
        patched._attn_implementation_internal = "eager_patch"
        module.config = patched
    try:
        yield
    finally:
        for module, original in zip(chosen, originals, strict=True):
            module.config = original


@dataclass(frozen=True)
class GenerationCost:
    """Cost of one generation: seconds of prefill, seconds per decoded token, peak bytes."""

    prefill: float
    decode: float
    memory: int


def generation_cost(model: Any, inputs: dict[str, Tensor], new_tokens: int) -> GenerationCost:
    """Generate greedily once and measure it."""
    reset_peak()
    clock = Clock(model.device)
    model.generate(
        **inputs,
        do_sample=False,
        max_new_tokens=new_tokens,
        min_new_tokens=new_tokens,
        stopping_criteria=[clock],
    )
    return GenerationCost(*clock.prefill_and_decode(), peak())


def main() -> None:
    """Print a line for each variant."""
    parser = options(__doc__, audio_tokens=750, rounds=9)
    parser.add_argument("--new-tokens", type=int, default=24)
    parser.add_argument("--backend", default="sdpa")
    args = parser.parse_args()
    model, inputs = model_and_prompt(args)
    model.set_attn_implementation({"text_config": args.backend})
    audio = inputs["input_ids"][0] == AUDIO_TOKEN
    variants: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "unmodified": nullcontext,
        "MATA multiply": lambda: MATA(alpha=0.1)(model),
        "MATA absolute": lambda: MATA(alpha=0.1, formula="absolute")(model),
        "Mass": lambda: Mass(alpha=0.1)(model),
        "Contrast": lambda: Contrast()(model),
        "eager patch": lambda: eager_patch(model, 0.1, audio),
    }
    parameters = sum(p.numel() for p in model.model.language_model.parameters())
    print(heading(args, inputs, f" ({parameters / 1e6:.0f} M), {args.backend}"))

    def measured(steered: Callable[[], AbstractContextManager[Any]], rows: int) -> GenerationCost:
        with steered():
            repeated = {name: value.repeat_interleave(rows, 0) for name, value in inputs.items()}
            return generation_cost(model, repeated, args.new_tokens)

    runs = {name: partial(measured, steered, 1) for name, steered in variants.items()}
    costs = measure_rounds({**runs, TWO_ROWS: partial(measured, nullcontext, 2)}, args.rounds)
    print_costs(costs, {"prefill": "prefill", "decode": "decode, a token", "memory": "peak memory"})


if __name__ == "__main__":
    main()
