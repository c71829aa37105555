"""What profiling costs: time and memory of a profiled prefill as ratios to a plain one.

One prompt is read in several ways: plainly; with every layer observed, under the baseline, under
MATA in its default layers, and under both from one prefill; and with eager attention that returns
its weights, the usual way to look at attention. All are interleaved in one process; the ratio of
each round is to that round's plain prefill.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from interleaved import measure_rounds, peak, print_costs, reset_peak, seconds
from mata_audio import MATA
from mata_audio.families import locate
from mata_audio.profiling.prompt_reader import PromptBatch, PromptReader, generation
from mata_audio.settings.named import NamedSetting, with_baseline
from mata_audio.steering.token_kinds import Vocabulary, token_kinds
from random_model import AUDIO_TOKEN, heading, model_and_prompt, options


@dataclass(frozen=True)
class PrefillCost:
    """Seconds and peak bytes of one prefill."""

    seconds: float
    memory: int


def prefill_cost(run: Callable[[], object]) -> PrefillCost:
    """Run one prefill and measure it."""
    reset_peak()
    return PrefillCost(seconds(run), peak())


def main() -> None:
    """Print a line for each variant."""
    args = options(__doc__, audio_tokens=750, rounds=9).parse_args()
    model, inputs = model_and_prompt(args)
    print(heading(args, inputs))
    costs = measure(model, inputs, args.rounds)
    print_costs(costs, {"seconds": "prefill", "memory": "peak memory"})


def measure(
    model: Any, inputs: dict[str, torch.Tensor], rounds: int
) -> dict[str, list[PrefillCost]]:
    """Return the cost of each round by variant; a round before them warms up."""
    located = locate(model)
    prompts = PromptBatch(located, inputs)
    kinds = token_kinds(prompts.ids, prompts.mask, Vocabulary(audio=AUDIO_TOKEN))
    how = generation(located, None, new_tokens=0)
    config, _ = how
    baseline, steered = with_baseline(MATA(alpha=0.1))

    def profiled(*settings: NamedSetting) -> None:
        reader = PromptReader(located, prompts, how, len(settings))
        for setting in settings:
            reader.masses(setting, kinds)

    @torch.inference_mode()
    def plain() -> None:
        model.generate(**inputs, generation_config=config)

    @torch.inference_mode()
    def eager() -> None:
        before = model.config._attn_implementation
        model.set_attn_implementation("eager")
        try:
            model.generate(
                **inputs,
                generation_config=config,
                output_attentions=True,
                return_dict_in_generate=True,
            )
        finally:
            model.set_attn_implementation(before)

    variants: dict[str, Callable[[], object]] = {
        "plain": plain,
        "profiled": partial(profiled, baseline),
        "profiled, MATA": partial(profiled, steered),
        "profiled, both": partial(profiled, baseline, steered),
        "eager, output_attentions": eager,
    }
    return measure_rounds(
        {name: partial(prefill_cost, run) for name, run in variants.items()}, rounds
    )


if __name__ == "__main__":
    main()
