"""Whether MATA computes what it should: alpha 0 changes nothing, the rest equals full scores."""

from __future__ import annotations

from dataclasses import replace

from mata_audio.doctor.check import Check
from mata_audio.doctor.passes import agreeing, continued, read, write, written_logits
from mata_audio.doctor.trial_setting import TrialSetting, at_last, largest

REPORT = (
    "MATA has a bug with this model: do not use it here, and please report this with the output of "
    "--json and --debug"
)


def alpha_zero(trial: TrialSetting) -> Check:
    """Alpha 0 gives exactly the model's own logits, in one pass and in ``generate``."""
    patient, inputs = trial.patient, trial.patient.batch("left")
    baseline, again = (read(patient, inputs) for _ in range(2))
    plain, repeated = (written_logits(write(patient, inputs)) for _ in range(2))
    with replace(trial.mata(), alpha=0.0)(patient.model) as applied:
        steered, written = read(patient, inputs), written_logits(write(patient, inputs))
    passes = applied.receipt.forward_passes
    own = max(largest(again - baseline), largest(repeated - plain))  # 0 on a deterministic device
    difference = max(largest(steered - baseline), largest(written - plain))
    good = difference <= own and passes > 1
    figure = f"difference {difference:.1e} over {passes} passes"
    if own:
        figure += f" (two unmodified runs: {own:.1e})"
    return Check(
        "alpha 0 is the baseline", "pass" if good else "fail", figure, "" if good else REPORT
    )


def reading(trial: TrialSetting, formula: str) -> Check:
    """Every row of a padded batch has the logits of the full scores."""
    patient, inputs = trial.patient, trial.patient.batch("right")
    real = inputs["attention_mask"].bool()
    wanted, plain = trial.full_scores(inputs, formula)
    steered, baseline = trial.both(lambda: read(patient, inputs), formula)
    moved = (at_last(steered, inputs) - at_last(baseline, inputs)).abs().amax(1)
    return trial.judge(
        f"full scores, {formula}",
        largest((steered - wanted)[real]),
        largest((baseline - plain)[real]),
        float(moved[patient.with_clips].min()),
        REPORT,
    )


def scoring(trial: TrialSetting) -> Check:
    """A given answer (``prompt_length``) has the logits of the full scores."""
    patient, inputs, answer = trial.patient, trial.patient.alone(), 3
    prompt = int(inputs["attention_mask"].sum()) - answer
    baseline = read(patient, inputs)
    wanted, plain = trial.full_scores(inputs, answer=answer)
    with trial.mata()(patient.model, prompt_length=prompt):
        steered = read(patient, inputs)
    return trial.judge(
        "full scores, a given answer",
        largest(steered - wanted),
        max(largest(baseline - plain), trial.sensitivity(inputs, answer=answer)),
        largest(steered - baseline),
        REPORT,
    )


def writing(trial: TrialSetting, formula: str) -> Check:
    """Each step of ``generate`` with a cache has the logits of the full scores."""
    patient, inputs = trial.patient, trial.patient.alone()
    steered, baseline = trial.both(lambda: write(patient, inputs), formula)
    prompt = inputs["input_ids"].shape[1]
    answer = steered.sequences[:, prompt:]
    whole = continued(patient, inputs, answer)
    new, rows = answer.shape[1], slice(prompt - 1, -1)
    wanted, plain = trial.full_scores(whole, formula, new)
    same = agreeing(baseline.sequences[:, prompt:], answer)
    own = (written_logits(baseline) - plain[:, rows])[:, :same]
    return trial.judge(
        f"generate, {formula}",
        largest(written_logits(steered) - wanted[:, rows]),
        max(largest(own), trial.sensitivity(whole, formula, new)),
        largest(wanted[:, rows] - plain[:, rows]),
        REPORT,
    )
