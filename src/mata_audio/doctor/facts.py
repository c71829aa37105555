"""What was found in a model, and what its scores look like."""

from __future__ import annotations

from mata_audio.doctor.check import Check
from mata_audio.doctor.equality import REPORT
from mata_audio.doctor.passes import read, read_full_scores
from mata_audio.doctor.patient import Patient
from mata_audio.doctor.setting import TrialSetting
from mata_audio.notation.layers import format_indices

_MANY_NEGATIVE = 0.3

_CLIPS = {"audio": "clips", "image": "images"}


def parts(patient: Patient) -> Check:
    """The decoder, its attention and the tokens of every prompt's clips or pictures were found."""
    located, inputs, what = patient.located, patient.batch("left"), patient.tokens
    (token_id,) = located.ids_of(what)
    tokens = (inputs["input_ids"] == token_id).sum(1).tolist()
    figure = (
        f"{located.depth} layers ({len(located.attending)} with attention), {located.heads} heads; "
        f"{what} token id {token_id}: {', '.join(map(str, tokens))} in prompts with "
        f"{', '.join(map(str, patient.clips))} {_CLIPS[what]}"
    )
    good = all(
        (count > 0) == (clips > 0) for count, clips in zip(tokens, patient.clips, strict=True)
    )
    advice = "" if good else f"the processor's {what} token is not the model's: check both configs"
    return Check(f"decoder and {what} tokens", "pass" if good else "fail", figure, advice)


def precision(patient: Patient) -> Check:
    """The decoder is of one dtype, and its logits are numbers."""
    modules = [patient.located.attention(layer) for layer in patient.located.attending]
    config = modules[0].config
    weights = [weight for module in modules for weight in module.parameters()]
    dtypes = {str(weight.dtype).removeprefix("torch.") for weight in weights}
    devices = sorted({str(weight.device) for weight in weights})
    finite = bool(read(patient, patient.alone()).isfinite().all())
    figure = (
        f"{', '.join(sorted(dtypes))} on {', '.join(devices)}, "
        f"{getattr(config, '_attn_implementation', '?')} attention"
    )
    advice = ""
    if not finite:
        figure += "; logits are not finite"
        advice = "the model as it is overflows: load it with --dtype bfloat16 or float32"
    return Check("dtype and device", "pass" if finite else "fail", figure, advice)


def effect(trial: TrialSetting) -> Check:
    """There is a setting that shows: without one, agreement proves nothing."""
    good = trial.effect > trial.bound(0.0)
    figure = (
        f"alpha {trial.alpha:g}, layers {format_indices(trial.layers)}: moves a logit by "
        f"{trial.effect:.1e}, bound {trial.bound(0.0):.1e}"
    )
    advice = (
        "no alpha moves this model by more than rounding: its answers hardly depend on these "
        f"layers' attention to {trial.patient.tokens} tokens; try --dtype float32"
    )
    return Check("a setting that shows", "pass" if good else "fail", figure, "" if good else advice)


def negative_scores(trial: TrialSetting) -> Check:
    """The receipt's share of negative scores is that of the full scores."""
    patient, inputs = trial.patient, trial.patient.alone()
    with trial.mata("add")(patient.model) as applied:
        read(patient, inputs)
    _, scores = read_full_scores(patient, inputs, trial.layers, trial.alpha, "add")
    share, counted = applied.receipt.negative_share, scores.below_zero / max(scores.seen, 1)
    name = "share of negative scores"
    if share is None or not scores.seen:
        return Check(name, "fail", f"receipt {share}, counted {scores.seen} scores", REPORT)
    # Rounding may turn the sign of scores near zero: in float32 of hardly any, in 16 bits of some.
    allowed = 1 / scores.seen + (0.02 if trial.half else 0.001)
    if abs(share - counted) > allowed:
        return Check(name, "fail", f"receipt {share:.2%}, counted {counted:.2%}", REPORT)
    advice = (
        'multiply lowers attention to these: compare formula="absolute" on your data'
        if share > _MANY_NEGATIVE
        else ""
    )
    return Check(name, "pass", f"{share:.1%} of {scores.seen:,} (counted {counted:.1%})", advice)
