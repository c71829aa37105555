"""Whether every way to an answer gives the same one: backends, padding, cache, beams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from transformers.utils import is_flash_attn_2_available

from mata_audio.doctor.check import Check, Skipped
from mata_audio.doctor.passes import agreeing, continued, on_backend, read, write, written_logits
from mata_audio.doctor.patient import Inputs
from mata_audio.doctor.trial_setting import TrialSetting, at_last, largest

Pair = tuple[Tensor, Tensor]


def backend(trial: TrialSetting, name: str) -> Check:
    """Attention function ``name`` and SDPA agree as closely as in the unmodified model."""
    patient = trial.patient
    if name.startswith("flash"):
        _check_flash(trial)
    inputs = patient.batch("right")

    found: dict[str, Pair] = {}
    for one in ("sdpa", name):
        with on_backend(patient, one):
            found[one] = trial.both(lambda: at_last(read(patient, inputs), inputs))
    (steered, baseline), (other, plain) = found["sdpa"], found[name]
    moved = (other - plain).abs().amax(1)
    return trial.judge(
        f"{name} and sdpa",
        largest(other - steered),
        largest(plain - baseline),
        float(moved[patient.with_clips].min()),
        "use the backend for which 'full scores' passes (--attention), and please report this",
    )


def padding(trial: TrialSetting, side: str) -> Check:
    """Each prompt has the same logits in a batch padded on ``side`` as by itself."""
    patient = trial.patient
    if len(patient.clips) == 1:
        raise Skipped("this processor takes one prompt at a time")
    inputs = patient.batch(side)
    if bool(inputs["attention_mask"].all()):
        raise Skipped("all prompts are equally long, so nothing is padded")

    def first(inputs: Inputs) -> Tensor:
        """Return each prompt's first logits after its last token, shape (batch, vocabulary).

        With padding on the left they come from generate(), which counts positions; in a plain pass
        some models count the padding too.
        """
        if side == "left":
            return written_logits(write(patient, inputs, new_tokens=2))[:, 0]
        return at_last(read(patient, inputs), inputs)

    samples = range(len(patient.clips))
    together, plain = trial.both(lambda: first(inputs))
    alone, single = trial.both(lambda: torch.cat([first(patient.alone(i)) for i in samples]))
    return trial.judge(
        f"batch padded on the {side}",
        largest(together - alone),
        max(largest(plain - single), *(trial.sensitivity(patient.alone(i)) for i in samples)),
        float((together - plain).abs().amax(1)[patient.with_clips].min()),
        f"ask one prompt at a time, or do not pad on the {side}, and please report this",
    )


def cache(trial: TrialSetting) -> Check:
    """``generate`` with a cache gives the same logits as without."""
    patient, inputs = trial.patient, trial.patient.alone()
    prompt = inputs["input_ids"].shape[1]

    def pair() -> Pair:
        cached = write(patient, inputs)
        uncached = write(patient, inputs, use_cache=False)
        steps = agreeing(cached.sequences[:, prompt:], uncached.sequences[:, prompt:])
        return written_logits(cached)[:, :steps], written_logits(uncached)[:, :steps]

    (cached, uncached), (plain, plain_uncached) = trial.both(pair)
    return trial.judge(
        "cache and no cache",
        largest(cached - uncached),
        largest(plain - plain_uncached),
        largest(cached[:, 0] - plain[:, 0]),
        "generate with use_cache=False, and please report this",
    )


def beams(trial: TrialSetting) -> Check:
    """Each token of each beam has the log-likelihood that one pass of the full scores gives it.

    Token by token, not summed: in a sum, effects on different tokens could cancel.
    """
    patient, inputs = trial.patient, trial.patient.alone()
    scored = {"num_return_sequences": 3, "length_penalty": 0.0, "output_scores": True}
    options: dict[str, Any] = {"num_beams": 3, "config": scored}

    outputs = trial.both(lambda: write(patient, inputs, **options))
    steered, baseline = (list(_likelihoods(trial, inputs, output)) for output in outputs)
    return trial.judge(
        "beams",
        max(largest(own - wanted) for own, wanted, _ in steered),
        max(largest(own - plain) for own, _, plain in baseline),
        max(largest(wanted - plain) for _, wanted, plain in steered),
        "generate without beams (num_beams=1), and please report this",
    )


def _likelihoods(
    trial: TrialSetting, inputs: Inputs, output: Any
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the log-likelihoods of each beam's new tokens, each of shape (new,).

    They are those that ``generate`` found, those by the full scores, and by them with alpha 0.
    """
    patient = trial.patient
    answers = output.sequences[:, inputs["input_ids"].shape[1] :]
    found = patient.listener.compute_transition_scores(
        output.sequences, output.scores, output.beam_indices
    )
    for answer, own in zip(answers[:, None], found, strict=True):
        new = answer.shape[1]
        logits = trial.full_scores(continued(patient, inputs, answer), answer=new)
        chances = (each[:, -new - 1 : -1].log_softmax(-1) for each in logits)
        wanted, plain = (
            each.gather(2, answer[..., None].to(each.device)).flatten() for each in chances
        )
        yield own.to(wanted.device), wanted, plain


def _check_flash(trial: TrialSetting) -> None:
    if not is_flash_attn_2_available():
        raise Skipped("flash_attn is not installed")
    if trial.patient.device.type != "cuda":
        raise Skipped("flash attention needs a CUDA device")
    if not trial.half:
        raise Skipped("flash attention supports only float16 and bfloat16")
