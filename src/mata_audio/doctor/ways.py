"""Whether every way to an answer gives the same one: backends, padding, cache, beams."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.utils import is_flash_attn_2_available

from mata_audio.doctor.check import Check, Skipped
from mata_audio.doctor.passes import (
    agreeing,
    continued,
    on_backend,
    read,
    read_full_scores,
    write,
    written_logits,
)
from mata_audio.doctor.patient import Inputs
from mata_audio.doctor.trial_setting import TrialSetting, at_last, largest

Pair = tuple[Tensor, Tensor]


def backend(trial: TrialSetting, name: str) -> Check:
    """Attention function ``name`` and SDPA agree as closely as in the unmodified model."""
    patient = trial.patient
    if name.startswith("flash"):
        _check_flash(trial)
    inputs = patient.batch("right")

    def logits(steered: bool) -> Tensor:
        if not steered:
            return at_last(read(patient, inputs), inputs)
        with trial.mata()(patient.model):
            return at_last(read(patient, inputs), inputs)

    found: dict[str, Pair] = {}
    for one in ("sdpa", name):
        with on_backend(patient, one):
            found[one] = logits(True), logits(False)
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

    def first(inputs: Inputs, steered: bool) -> Tensor:
        """Return each prompt's first logits after its last token, shape (batch, vocabulary).

        With padding on the left they come from generate(), which counts positions; in a plain pass
        some models count the padding too.
        """
        if steered:
            with trial.mata()(patient.model):
                return first(inputs, False)
        if side == "left":
            return written_logits(write(patient, inputs, new_tokens=2))[:, 0]
        return at_last(read(patient, inputs), inputs)

    together, plain = first(inputs, True), first(inputs, False)
    samples = range(len(patient.clips))
    alone = torch.cat([first(patient.alone(i), True) for i in samples])
    single = torch.cat([first(patient.alone(i), False) for i in samples])
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

    def both(steered: bool) -> Pair:
        if steered:
            with trial.mata()(patient.model):
                return both(False)
        cached = write(patient, inputs)
        uncached = write(patient, inputs, use_cache=False)
        steps = agreeing(cached.sequences[:, prompt:], uncached.sequences[:, prompt:])
        return written_logits(cached)[:, :steps], written_logits(uncached)[:, :steps]

    (cached, uncached), (plain, plain_uncached) = both(True), both(False)
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
    prompt = inputs["input_ids"].shape[1]
    scored = {"num_return_sequences": 3, "length_penalty": 0.0, "output_scores": True}
    options: dict[str, Any] = {"num_beams": 3, "config": scored}

    def difference(steered: bool) -> tuple[float, float]:
        alpha = trial.alpha if steered else 0.0
        if steered:
            with trial.mata()(patient.model):
                output = write(patient, inputs, **options)
        else:
            output = write(patient, inputs, **options)
        scores = patient.listener.compute_transition_scores(
            output.sequences, output.scores, output.beam_indices
        )
        most, moved = 0.0, 0.0
        for sequence, score in zip(output.sequences, scores, strict=True):
            answer = sequence[None, prompt:]
            whole = continued(patient, inputs, answer)
            wanted, plain = (_likelihoods(trial, whole, answer, each) for each in (alpha, 0.0))
            most = max(most, largest(score.to(wanted.device) - wanted))
            moved = max(moved, largest(wanted - plain))
        return most, moved

    steered, effect = difference(True)
    own, _ = difference(False)
    return trial.judge(
        "beams",
        steered,
        own,
        effect,
        "generate without beams (num_beams=1), and please report this",
    )


def _likelihoods(trial: TrialSetting, whole: Inputs, answer: Tensor, alpha: float) -> Tensor:
    """Return the log-likelihood of each token of an answer by the full scores, shape (new,)."""
    new = answer.shape[1]
    logits, _ = read_full_scores(trial.patient, whole, trial.layers, alpha, "multiply", new)
    chances = logits[:, -new - 1 : -1].log_softmax(-1)
    return chances.gather(2, answer[..., None].to(chances.device)).flatten()


def _check_flash(trial: TrialSetting) -> None:
    if not is_flash_attn_2_available():
        raise Skipped("flash_attn is not installed")
    if trial.patient.device.type != "cuda":
        raise Skipped("flash attention needs a CUDA device")
    if not trial.half:
        raise Skipped("flash attention supports only float16 and bfloat16")
