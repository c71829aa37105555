"""Whether MATA computes what it says: alpha 0, and the full-score reference."""

from __future__ import annotations

from dataclasses import replace

from mata_audio.doctor.check import Check
from mata_audio.doctor.exam import Exam, at_last, largest
from mata_audio.doctor.passes import (
    agreeing,
    continued,
    read,
    read_full_scores,
    write,
    written_logits,
)

REPORT = "a bug of MATA on this model: do not use it here, and report this with --json and --debug"


def alpha_zero(exam: Exam) -> Check:
    """Alpha 0 gives the model's own logits, to the bit, in reading and in writing."""
    patient, inputs = exam.patient, exam.patient.batch("left")
    baseline, again = (read(patient, inputs) for _ in range(2))
    plain, repeated = (written_logits(write(patient, inputs)) for _ in range(2))
    with replace(exam.mata(), alpha=0.0)(patient.model) as applied:
        steered, written = read(patient, inputs), written_logits(write(patient, inputs))
    passes = applied.receipt.forward_passes
    own = max(largest(again - baseline), largest(repeated - plain))  # 0 where a device repeats
    difference = max(largest(steered - baseline), largest(written - plain))
    good = difference <= own and passes > 1
    figure = f"difference {difference:.1e} over {passes} passes"
    if own:
        figure += f" (two runs of the model as it is: {own:.1e})"
    return Check(
        "alpha 0 is the baseline", "pass" if good else "fail", figure, "" if good else REPORT
    )


def reading(exam: Exam, formula: str) -> Check:
    """The logits of every row of a padded batch are those of the full scores."""
    patient, inputs = exam.patient, exam.patient.batch("right")
    real = inputs["attention_mask"].bool()
    baseline = read(patient, inputs)
    plain, _ = read_full_scores(patient, inputs, exam.layers, 0.0, formula)
    wanted, _ = read_full_scores(patient, inputs, exam.layers, exam.alpha, formula)
    with exam.mata(formula)(patient.model):
        steered = read(patient, inputs)
    moved = (at_last(steered, inputs) - at_last(baseline, inputs)).abs().amax(1)
    return exam.judge(
        f"full scores, {formula}",
        largest((steered - wanted)[real]),
        largest((baseline - plain)[real]),
        float(moved[patient.with_clips].min()),
        REPORT,
    )


def scoring(exam: Exam) -> Check:
    """A given answer is scored, ``prompt_length``, as by the full scores."""
    patient, inputs, answer = exam.patient, exam.patient.alone(), 3
    prompt = int(inputs["attention_mask"].sum()) - answer
    baseline = read(patient, inputs)
    plain, _ = read_full_scores(patient, inputs, exam.layers, 0.0, "multiply", answer)
    wanted, _ = read_full_scores(patient, inputs, exam.layers, exam.alpha, "multiply", answer)
    with exam.mata()(patient.model, prompt_length=prompt):
        steered = read(patient, inputs)
    return exam.judge(
        "full scores, a given answer",
        largest(steered - wanted),
        max(largest(baseline - plain), exam.sensitivity(inputs, answer=answer)),
        largest(steered - baseline),
        REPORT,
    )


def writing(exam: Exam, formula: str) -> Check:
    """The logits of each step of ``generate`` with a cache are those of the full scores."""
    patient, inputs = exam.patient, exam.patient.alone()
    with exam.mata(formula)(patient.model):
        steered = write(patient, inputs)
    prompt = inputs["input_ids"].shape[1]
    answer = steered.sequences[:, prompt:]
    whole = continued(patient, inputs, answer)
    new, rows = answer.shape[1], slice(prompt - 1, -1)
    wanted, _ = read_full_scores(patient, whole, exam.layers, exam.alpha, formula, new)
    plain, _ = read_full_scores(patient, whole, exam.layers, 0.0, formula, new)
    baseline = write(patient, inputs)
    same = agreeing(baseline.sequences[:, prompt:], answer)
    own = (written_logits(baseline) - plain[:, rows])[:, :same]
    return exam.judge(
        f"generate, {formula}",
        largest(written_logits(steered) - wanted[:, rows]),
        max(largest(own), exam.sensitivity(whole, formula, new)),
        largest(wanted[:, rows] - plain[:, rows]),
        REPORT,
    )
