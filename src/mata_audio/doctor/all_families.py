"""Examine a small random model of every family."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import torch

from mata_audio.doctor.check import Check, DoctorReport
from mata_audio.doctor.examine import examine
from mata_audio.doctor.patient import small_patient
from mata_audio.errors import one_line


def family_names() -> tuple[str, ...]:
    """Return the families that the installed Transformers has, audio families first."""
    from mata_audio.doctor.small_models import MODEL_TYPES, VISION_MODEL_TYPES
    from mata_audio.families import FAMILIES
    from mata_audio.families.versions import has_class

    loaders = {family.model_type: family.loader for family in FAMILIES}
    names = MODEL_TYPES + VISION_MODEL_TYPES
    return tuple(name for name in names if has_class(loaders[name]))


def examine_families(
    names: tuple[str, ...],
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    debug: bool = False,
) -> Iterator[DoctorReport]:
    """Examine one family after another; one that cannot be built yields a failed report."""
    from mata_audio.doctor.small_models import small_model

    for name in names:
        try:
            patient = small_patient(small_model(name), device, dtype)
        except Exception as error:
            if debug:
                traceback.print_exc()
            advice = "this Transformers builds the family differently; --debug prints the traceback"
            yield DoctorReport(
                name, "-", (Check("small model", "fail", one_line(error), advice),), 0.0
            )
            continue
        yield examine(patient, debug)
