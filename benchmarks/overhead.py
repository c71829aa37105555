"""What MATA costs: time and memory of steered generation as ratios to the unmodified model.

Run with ``make bench``. All variants generate from the same prompt, interleaved in one process;
each round gives one ratio to that round's unmodified run, and the median over rounds is printed.
The usual way, patching the same layers to eager attention, is measured beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import AttentionInterface

from mata_audio import MATA
from mata_audio.families import locate
from mata_audio.notation.layers import scaled_paper_layers

AUDIO_TOKEN, TEXT_BEFORE, TEXT_AFTER = 1, 20, 60


def build(audio_tokens: int, layers: int, width: int, dtype: torch.dtype, device: str) -> Any:
    """A random Qwen2-Audio with a decoder of the given size and a very small encoder."""
    torch.manual_seed(0)
    config = transformers.Qwen2AudioConfig(
        audio_config=transformers.Qwen2AudioEncoderConfig(
            num_mel_bins=16,
            encoder_layers=1,
            encoder_attention_heads=2,
            encoder_ffn_dim=32,
            d_model=32,
            max_source_positions=2 * audio_tokens,
        ),
        text_config=transformers.Qwen2Config(
            vocab_size=1000,
            hidden_size=width,
            intermediate_size=width * 11 // 4,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            num_key_value_heads=width // 256,
            max_position_embeddings=65536,
            tie_word_embeddings=True,
        ),
        audio_token_index=AUDIO_TOKEN,
    )
    config.pad_token_id = 0
    model = transformers.Qwen2AudioForConditionalGeneration(config).eval()
    return model.to(device, dtype)


def prompt(audio_tokens: int, device: str) -> dict[str, Tensor]:
    """Text, audio, text; one sample."""
    text = torch.randint(5, 999, (1, TEXT_BEFORE + TEXT_AFTER))
    audio = torch.full((1, audio_tokens), AUDIO_TOKEN)
    ids = torch.cat([text[:, :TEXT_BEFORE], audio, text[:, TEXT_BEFORE:]], 1)
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "input_features": torch.randn(1, 16, 4 * audio_tokens),
        "feature_attention_mask": torch.ones(1, 4 * audio_tokens, dtype=torch.long),
    }
    return {name: value.to(device) for name, value in inputs.items()}


@contextlib.contextmanager
def eager_patch(model: nn.Module, alpha: float, audio: Tensor) -> Iterator[None]:
    """The usual implementation: full-matrix attention in the chosen layers, last row scaled."""
    import copy

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


class Clock(transformers.StoppingCriteria):
    """Notes the time after each token; never stops."""

    def __init__(self) -> None:
        self.times: list[float] = [self.now()]

    @staticmethod
    def now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        self.times.append(self.now())
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


@dataclass(frozen=True)
class Cost:
    """Of one generation: seconds of prefill, seconds a decoded token, peak bytes."""

    prefill: float
    decode: float
    memory: int


def measure(model: Any, inputs: dict[str, Tensor], new_tokens: int) -> Cost:
    reset_peak()
    clock = Clock()
    model.generate(
        **inputs,
        do_sample=False,
        max_new_tokens=new_tokens,
        min_new_tokens=new_tokens,
        stopping_criteria=[clock],
    )
    steps = [after - before for before, after in zip(clock.times, clock.times[1:], strict=False)]
    return Cost(steps[0], statistics.median(steps[1:]), peak())


def reset_peak() -> None:
    """Start a new peak: of the device's memory, or of the process's where there is no device."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """Bytes at the peak since :func:`reset_peak`."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audio-tokens", type=int, default=750)
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--new-tokens", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--backend", default="sdpa")
    parser.add_argument("--dtype", default="float32")
    args = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    transformers.logging.set_verbosity_error()
    model = build(args.audio_tokens, args.layers, args.width, getattr(torch, args.dtype), device)
    model.set_attn_implementation({"text_config": args.backend})
    inputs = prompt(args.audio_tokens, device)
    audio = inputs["input_ids"][0] == AUDIO_TOKEN
    variants: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "unmodified": nullcontext,
        "MATA multiply": lambda: MATA(alpha=0.1)(model),
        "MATA absolute": lambda: MATA(alpha=0.1, formula="absolute")(model),
        "eager patch": lambda: eager_patch(model, 0.1, audio),
    }
    parameters = sum(p.numel() for p in model.model.language_model.parameters())
    print(
        f"{args.layers} layers x {args.width} wide ({parameters / 1e6:.0f} M), "
        f"{inputs['input_ids'].shape[1]} prompt tokens ({args.audio_tokens} audio), "
        f"{args.backend}, {args.dtype}, {device}, torch {torch.__version__}, {args.rounds} rounds"
    )

    costs: dict[str, list[Cost]] = {name: [] for name in variants}
    for round_ in range(args.rounds + 1):
        names = list(variants)
        for name in names[round_ % len(names) :] + names[: round_ % len(names)]:
            with variants[name]():
                cost = measure(model, inputs, args.new_tokens)
            if round_:  # the first round warms up
                costs[name].append(cost)

    print(f"{'':16}{'prefill':>20}{'decode, a token':>20}{'peak memory':>20}")
    base = costs["unmodified"]
    for name, runs in costs.items():
        cells = [
            (statistics.median(c.prefill for c in runs) * 1e3, "ms", _ratio(runs, base, "prefill")),
            (statistics.median(c.decode for c in runs) * 1e3, "ms", _ratio(runs, base, "decode")),
            (
                statistics.median(c.memory for c in runs) / 2**20,
                "MiB",
                _ratio(runs, base, "memory"),
            ),
        ]
        print(f"{name:16}" + "".join(f"{v:>9.1f} {unit:<3} {r:>5.3f}x" for v, unit, r in cells))


def _ratio(runs: list[Cost], base: list[Cost], field: str) -> float:
    pairs = zip(runs, base, strict=True)
    return statistics.median(getattr(run, field) / getattr(one, field) for run, one in pairs)


if __name__ == "__main__":
    main()
