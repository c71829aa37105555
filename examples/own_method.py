"""Write a method of one's own, with a formula of one's own, and evaluate it.

python examples/own_method.py [MODEL]

MATA multiplies the raw attention scores of the audio, which lowers attention where a score is below
zero. This method raises those scores towards zero instead, and leaves the others alone. A formula
says what happens to a score. A method gives it a name, fields and layers. The rest is there: one
prefill for all settings, settings files, and every command of the same process.

MODEL is any model that hears audio. The default is the embedded one, whose figures say nothing
about large models.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from mata_audio import MATA
from mata_audio.evaluation import NamedSetting, evaluate
from mata_audio.methods.one_change import OneChange
from mata_audio.steering.formulas import on_scores
from mata_audio.steering.rule import Rule


@on_scores
def lift(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``scores + gain * max(0, -scores)``; a gain of 0 changes nothing, 1 lifts to 0."""
    return scores.addcmul(gain, (-scores).relu())


@dataclass(frozen=True)
class Lift(OneChange):
    """Raise the audio's scores below zero towards zero; arguments as for its base."""

    name: ClassVar[str] = "lift"
    summary: ClassVar[str] = "scores of the audio below zero, raised towards zero"
    source: ClassVar[str] = "an example"

    def rule(self) -> Rule:
        """Return what the method does."""
        return self.by("lift")


def main(model: str = "tiny") -> None:
    """Compare it with the baseline and with MATA on 120 questions."""
    settings = [
        NamedSetting("MATA", MATA(alpha=1.0, layers="3-7")),
        NamedSetting("lift", Lift(alpha=1.0, layers="3-7")),
    ]
    results = evaluate(model, "tiny", "runs/own-method", settings=settings, split="tune", limit=120)
    print(results)
    for own in settings:
        found = results.overall.paired[own.name]
        print(
            f"{own.name}: {100 * found.difference:+.1f} points, {found.gained} answers gained and "
            f"{found.lost} lost, p {found.p:.2g}"
        )


if __name__ == "__main__":
    main(*sys.argv[1:2])
