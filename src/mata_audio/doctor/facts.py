"""What was found in a model: its parts, its dtype, the effect of a setting, negative scores."""

from __future__ import annotations

from mata_audio.doctor.check import Check
from mata_audio.doctor.equality import REPORT
from mata_audio.doctor.passes import read, read_full_scores
from mata_audio.doctor.patient import Patient
from mata_audio.doctor.trial_setting import TrialSetting
from mata_audio.notation.layers import format_indices

SETTING = "a setting with an effect"

_MANY_NEGATIVE = 0.3

_CLIPS = {"audio": "clips", "image": "images"}


def parts(patient: Patient) -> Check:
    """The decoder, its attention, and the tokens of all clips or pictures were found."""
    located, inputs, what = patient.located, patient.batch("left"), patient.tokens
    (token_id,) = located.ids_of(what)
    tokens = (inputs["input_ids"] == token_id).sum(1).tolist()
    figure = (
        f"{located.depth} layers ({len(located.attending)} with attention), {located.heads} heads; "
        f"{', '.join(map(str, tokens))} {what} tokens (id {token_id}) in prompts with "
        f"{', '.join(map(str, patient.clips))} {_CLIPS[what]}"
    )
    good = all(
        (count > 0) == (clips > 0) for count, clips in zip(tokens, patient.clips, strict=True)
    )
    advice = "" if good else f"processor and model differ in the {what} token: check both configs"
    return Check(f"decoder and {what} tokens", "pass" if good else "fail", figure, advice)


def precision(patient: Patient) -> Check:
    """The decoder's dtype, device and attention; its logits must be finite."""
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
        advice = "the unmodified model overflows: load it with --dtype bfloat16 or float32"
    return Check("dtype and device", "pass" if finite else "fail", figure, advice)


def effect(trial: TrialSetting) -> Check:
    """A setting has a clear effect; without one, agreement would prove nothing."""
    good = trial.effect > trial.bound(0.0)
    figure = (
        f"alpha {trial.alpha:g}, layers {format_indices(trial.layers)}: moves logits by "
        f"{trial.effect:.1e}, bound {trial.bound(0.0):.1e}"
    )
    advice = (
        "no alpha moves the logits by more than rounding: the answers hardly depend on attention "
        f"to {trial.patient.tokens} tokens; try --dtype float32"
    )
    return Check(SETTING, "pass" if good else "fail", figure, "" if good else advice)


def negative_scores(trial: TrialSetting) -> Check:
    """The receipt's share of negative scores is that of the full scores."""
    patient, inputs = trial.patient, trial.patient.alone()
    with trial.mata("add")(patient.model) as applied:
        read(patient, inputs)
    _, scores = read_full_scores(patient, inputs, trial.layers, trial.alpha, "add")
    share, counted = applied.receipt.negative_share, scores.below_zero / max(scores.seen, 1)
    name = "share of negative scores"
    if share is None or not scores.seen:
        return Check(name, "fail", f"receipt: {share}; scores counted: {scores.seen}", REPORT)
    # Rounding can flip the sign of scores near zero: of hardly any in float32, of some in 16 bits.
    allowed = 1 / scores.seen + (0.02 if trial.half else 0.001)
    if abs(share - counted) > allowed:
        return Check(name, "fail", f"receipt: {share:.2%}; counted: {counted:.2%}", REPORT)
    advice = (
        'multiply lowers attention to these: try formula="absolute" on your data too'
        if share > _MANY_NEGATIVE
        else ""
    )
    return Check(name, "pass", f"{share:.1%} of {scores.seen:,} (counted {counted:.1%})", advice)
