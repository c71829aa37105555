"""What settings cost in an evaluation: several answers from one prefill, as ratios.

Run with ``make bench``. One prompt is answered under the baseline alone, under the baseline and one
setting, ten and thirty, interleaved in one process; beside them the baseline and one setting in two
ordinary runs. The ratio of each round is to that round's baseline alone. The baseline and thirty
settings one by one, the naive sweep, are run in the last round only.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
import transformers

from mata_audio import MATA
from mata_audio.models.one_prefill import generate_all
from mata_audio.settings.named import NamedSetting, with_baseline
from overhead import Clock, build, prompt

MANY = [NamedSetting(f"alpha {step / 100}", MATA(alpha=step / 100)) for step in range(1, 31)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audio-tokens", type=int, default=720)
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dtype", default="float32")
    args = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    transformers.logging.set_verbosity_error()
    model = build(args.audio_tokens, args.layers, args.width, getattr(torch, args.dtype), device)
    inputs = {
        name: value.repeat_interleave(args.batch, dim=0)
        for name, value in prompt(args.audio_tokens, device).items()
    }
    print(
        f"{args.layers} layers x {args.width} wide, batch {args.batch}, "
        f"{inputs['input_ids'].shape[1]} prompt tokens ({args.audio_tokens} audio), {args.dtype}, "
        f"{device}, torch {torch.__version__}, {args.rounds} rounds"
    )
    print(
        f"{'new tokens':>10}{'baseline':>14}{'+ 1 setting':>14}{'+ 10':>14}{'+ 30':>14}"
        f"{'2 plain runs':>14}{'31 plain runs':>15}"
    )
    for new_tokens in (2, 8):
        seconds = measure(model, inputs, new_tokens, args.rounds)
        alone = seconds["baseline"]
        cells = [f"{statistics.median(alone) * 1e3:>11.1f} ms"]
        ratios = {
            # The naive sweep has the last round alone.
            name: statistics.median(
                r / one for r, one in zip(runs, alone[-len(runs) :], strict=True)
            )
            for name, runs in seconds.items()
            if name != "baseline"
        }
        cells += [f"{ratio:>13.3f}x" for ratio in ratios.values()]
        print(f"{new_tokens:>10}{''.join(cells)}")
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
                assert setting.mata is not None
                with setting.mata(model):
                    model.generate(**inputs, generation_config=config)

        return run

    variants = {
        "baseline": together([]),
        "one": together(MANY[9:10]),
        "ten": together(MANY[:10]),
        "thirty": together(MANY),
        "one apart": apart(MANY[9:10]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for round_ in range(rounds + 1):
        for name, run in variants.items():
            start = Clock.now()
            run()
            if round_:
                seconds[name].append(Clock.now() - start)
    start = Clock.now()
    apart(MANY)()
    seconds["thirty apart"] = [Clock.now() - start]
    return seconds


if __name__ == "__main__":
    main()
