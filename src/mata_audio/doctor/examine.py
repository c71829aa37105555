"""All checks of one model, in order. A check that fails does not stop the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from functools import partial

from mata_audio.doctor import equality, facts, method_checks, overhead, restoration, ways
from mata_audio.doctor.check import Check, DoctorReport, Skipped
from mata_audio.doctor.full_scores import UnknownFormulaError
from mata_audio.doctor.patient import Patient
from mata_audio.doctor.plain_methods import UnknownMethodError, to_examine
from mata_audio.doctor.trial_setting import TrialSetting, choose_setting
from mata_audio.errors import one_line
from mata_audio.steering.formulas import FORMULAS

UNEXPECTED = "unexpected: run again with --debug for the traceback, and please report it"


def checks() -> dict[str, Callable[[TrialSetting], Check]]:
    """Return the checks that need a trial setting, by name, in order."""
    return {
        "alpha 0 is the baseline": equality.alpha_zero,
        **{f"full scores, {name}": partial(equality.reading, formula=name) for name in FORMULAS},
        "full scores, a given answer": equality.scoring,
        **{f"generate, {name}": partial(equality.writing, formula=name) for name in FORMULAS},
        **{f"method {name}": partial(method_checks.examined, name=name) for name in to_examine()},
        "eager and sdpa": partial(ways.backend, name="eager"),
        "flash_attention_2 and sdpa": partial(ways.backend, name="flash_attention_2"),
        "batch padded on the left": partial(ways.padding, side="left"),
        "batch padded on the right": partial(ways.padding, side="right"),
        "cache and no cache": ways.cache,
        "beams": ways.beams,
        "restored after an exception": restoration.after_an_exception,
        "cached keys put back": restoration.cached_keys,
        "share of negative scores": facts.negative_scores,
        "overhead": overhead.overhead,
    }


def examine(
    patient: Patient, debug: bool = False, progress: Callable[[str], object] = lambda name: None
) -> DoctorReport:
    """Run every check.

    Args:
        patient: the model and its prompts; the model must not be steered.
        debug: print the traceback of an error inside a check, on stderr.
        progress: called with the name of each check before it runs.
    """
    start = time.monotonic()
    done = []
    for name, found in (
        (f"decoder and {patient.tokens} tokens", facts.parts),
        ("dtype and device", facts.precision),
    ):
        progress(name)
        done.append(_result(name, partial(found, patient), debug))
    progress(facts.SETTING)
    trials: list[TrialSetting] = []

    def choose() -> Check:
        trials.append(choose_setting(patient))
        return facts.effect(trials[0])

    done.append(_result(facts.SETTING, choose, debug))
    for name, check in checks().items():
        if not trials:
            done.append(Check(name, "skip", "no setting to examine the model with: see above"))
            continue
        progress(name)
        done.append(_result(name, partial(check, trials[0]), debug))
    kind = type(patient.model).__name__
    return DoctorReport(patient.name, kind, tuple(done), time.monotonic() - start)


def _result(name: str, check: Callable[[], Check], debug: bool) -> Check:
    """Run one check; any exception in it is a failure, reported as one."""
    try:
        return check()
    except Skipped as why:
        return Check(name, "skip", str(why))
    except (UnknownFormulaError, UnknownMethodError) as error:
        return Check(name, "fail", str(error), error.advice)
    except Exception as error:
        if debug:
            traceback.print_exc()
        return Check(name, "fail", one_line(error), UNEXPECTED)
