"""What settings cost in an evaluation: several answers from one prefill, as ratios.

Run with ``make bench``. One prompt is answered under the baseline only, and under the baseline with
one, ten and thirty settings, interleaved in one process; for comparison, the baseline and one
setting in two ordinary runs. The ratio of each round is to that round's baseline. The naive sweep,
the baseline and thirty settings one after the other, runs once at the end.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers

from interleaved import measure_rounds, median_ratio, seconds
from mata_audio import MATA
from mata_audio.models.one_prefill import generate_all
from mata_audio.settings.named import NamedSetting, with_baseline
from random_model import heading, model_and_prompt, options

MANY = [NamedSetting(f"alpha {step / 100}", MATA(alpha=step / 100)) for step in range(1, 31)]


def main() -> None:
    """Print a line for each number of new tokens."""
    parser = options(__doc__, audio_tokens=720, rounds=7)
    args = parser.parse_args()
    model, inputs = model_and_prompt(args)
    print(heading(args, inputs))
    print(
        f"{'new tokens':>10}{'baseline':>14}{'+ 1 setting':>14}{'+ 10':>14}{'+ 30':>14}"
        f"{'2 plain runs':>14}{'31 plain runs':>15}"
    )
    for new_tokens in (2, 8):
        rounds = measure(model, inputs, new_tokens, args.rounds)
        baseline = rounds.pop("baseline")
        # The naive sweep ran only once: its ratio is to the last round.
        ratios = {name: median_ratio(runs, baseline[-len(runs) :]) for name, runs in rounds.items()}
        cells = "".join(f"{ratio:>13.3f}x" for ratio in ratios.values())
        print(f"{new_tokens:>10}{statistics.median(baseline) * 1e3:>11.1f} ms{cells}")
        times = ratios["thirty apart"] / ratios["thirty"]
        print(f"{'':>10}thirty settings from one prefill: {times:.1f} times cheaper", flush=True)


def measure(
    model: Any, inputs: dict[str, torch.Tensor], new_tokens: int, rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of each round by variant; a round before them warms up."""
    config = transformers.GenerationConfig(
        do_sample=False,
        max_new_tokens=new_tokens,
        min_new_tokens=new_tokens,
        pad_token_id=0,
        eos_token_id=2,
    )

    def together(settings: list[NamedSetting]) -> Callable[[], object]:
        return lambda: generate_all(model, inputs, with_baseline(settings), config)

    def apart(settings: list[NamedSetting]) -> Callable[[], object]:
        @torch.inference_mode()
        def run() -> None:
            model.generate(**inputs, generation_config=config)
            for setting in settings:
                assert setting.method is not None
                with setting.method(model):
                    model.generate(**inputs, generation_config=config)

        return run

    variants = {
        "baseline": together([]),
        "one": together(MANY[9:10]),
        "ten": together(MANY[:10]),
        "thirty": together(MANY),
        "one apart": apart(MANY[9:10]),
    }
    timed = {name: partial(seconds, run) for name, run in variants.items()}
    return measure_rounds(timed, rounds) | {"thirty apart": [seconds(apart(MANY))]}


if __name__ == "__main__":
    main()
