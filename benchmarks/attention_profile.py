"""What profiling costs: time and memory of a profiled prefill as ratios to a plain one.

One prompt is read plainly, with every layer observed (the baseline; MATA in its default layers;
both, from one prefill), and with eager attention that returns its weights, the usual way to look at
attention. Interleaved in one process; the ratio of each round is to that round's plain prefill.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers

from mata_audio import MATA
from mata_audio.families import locate
from mata_audio.profiling.gathering import BatchMasses, Speaking
from mata_audio.profiling.kinds import Vocabulary, token_kinds
from mata_audio.profiling.prompt_reader import PromptBatch, Reader, generation
from mata_audio.settings.named import NamedSetting, with_baseline
from overhead import AUDIO_TOKEN, Clock, build, peak, prompt, reset_peak


@dataclass(frozen=True)
class Cost:
    """Seconds and peak bytes of one prefill."""

    seconds: float
    memory: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audio-tokens", type=int, default=750)
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--dtype", default="float32")
    args = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    transformers.logging.set_verbosity_error()
    model = build(args.audio_tokens, args.layers, args.width, getattr(torch, args.dtype), device)
    inputs = {name: value.to(device) for name, value in prompt(args.audio_tokens, device).items()}
    inputs["input_features"] = inputs["input_features"].to(getattr(torch, args.dtype))
    print(
        f"{args.layers} layers x {args.width} wide, {inputs['input_ids'].shape[1]} prompt tokens "
        f"({args.audio_tokens} audio), {args.dtype}, {device}, torch {torch.__version__}, "
        f"{args.rounds} rounds"
    )
    costs = measure(model, inputs, args.rounds)
    print(f"{'':26}{'prefill':>12}{'':>9}{'peak memory':>14}")
    plain = costs["plain"]
    for name, runs in costs.items():
        pairs = list(zip(runs, plain, strict=True))
        seconds = statistics.median(one.seconds for one in runs)
        memory = statistics.median(one.memory for one in runs)
        slower = statistics.median(one.seconds / base.seconds for one, base in pairs)
        larger = statistics.median(one.memory / base.memory for one, base in pairs)
        print(
            f"{name:26}{seconds * 1e3:>9.1f} ms{slower:>8.3f}x"
            f"{memory / 2**20:>10.1f} MiB{larger:>8.3f}x"
        )


def measure(model: Any, inputs: dict[str, torch.Tensor], rounds: int) -> dict[str, list[Cost]]:
    """Return the cost of each round by variant; a round before them warms up."""
    located = locate(model)
    prompts = PromptBatch(located, inputs)
    kinds = token_kinds(prompts.ids, prompts.mask, Vocabulary(audio=AUDIO_TOKEN))
    config, ends = generation(located, None, new_tokens=0)
    baseline, steered = with_baseline(MATA(alpha=0.1))

    def observed(*settings: NamedSetting) -> Callable[[], object]:
        def profiled() -> None:
            reader = Reader(located, prompts, config, len(settings))
            for setting in settings:
                speaking = Speaking(prompts.width, ends)
                masses = BatchMasses(kinds, located.depth, speaking)
                reader.read(setting, masses, speaking)
                masses.result()

        return profiled

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

    variants = {
        "plain": plain,
        "profiled": observed(baseline),
        "profiled, MATA": observed(steered),
        "profiled, both": observed(baseline, steered),
        "eager, output_attentions": eager,
    }
    costs: dict[str, list[Cost]] = {name: [] for name in variants}
    for round_ in range(rounds + 1):
        names = list(variants)
        for name in names[round_ % len(names) :] + names[: round_ % len(names)]:
            reset_peak()
            start = Clock.now()
            variants[name]()
            seconds = Clock.now() - start
            if round_:
                costs[name].append(Cost(seconds, peak()))
    return costs


if __name__ == "__main__":
    main()
