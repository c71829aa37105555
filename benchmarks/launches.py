"""What methods add to the operations that launch a kernel: counted, so the same everywhere.

Run with ``make bench-launches``. A small random model generates from one prompt with SDPA. Steering
one layer and two, for short answers and longer ones, tells apart what each layer costs in prefill,
what it costs for each further token, and what a ``generate`` costs however many layers are steered.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import transformers

from mata_audio import MATA
from mata_audio.doctor.launches import added
from mata_audio.doctor.small_models import small_model
from mata_audio.steering.formulas import FORMULAS


def main() -> None:
    """Print a line for each formula."""
    transformers.logging.set_verbosity_error()
    small = small_model("qwen2_audio")
    inputs = small.inputs(small.questions[1:2])
    print(f"{'':14}{'prefill':>20}{'':12}{'a further token':>22}")
    print(f"{'':14}{'a layer':>10}{'a generate':>12}{'a layer':>20}{'any number':>12}")
    for formula in FORMULAS:
        found = added(small.model, inputs, partial(steering, formula))
        print(
            f"{formula:14}{found.layer:>10g}{found.generate:>12g}"
            f"{found.token_layer:>20g}{found.token:>12g}"
        )


def steering(formula: str, layers: Sequence[int]) -> MATA:
    """Return a setting of a formula on some layers."""
    return MATA(alpha=0.5, layers=layers, formula=formula)


if __name__ == "__main__":
    main()
