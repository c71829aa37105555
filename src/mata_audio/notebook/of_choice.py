"""Layers chosen by measurement: the measurement, and what came of the choice."""

from __future__ import annotations

from markupsafe import Markup

from mata_audio.evaluation.choosing import Choice, Evidence
from mata_audio.evaluation.results.number_format import counted
from mata_audio.notebook import markup, of_results
from mata_audio.steering.gain_tensor import chosen_layers


def html(choice: Choice) -> str:
    """Return the score of each layer, and the chosen setting on the held-out items."""
    made = Markup() if choice.evidence is None else _scores(choice.evidence)
    if choice.sweep is None:
        return made + markup.paragraph(choice.verdict)
    return made + of_results.text(choice.sweep.results)


def _scores(evidence: Evidence) -> Markup:
    changes = evidence.setting.rule().views[0]
    depth = len(evidence.scores)
    chosen = {layer for change in changes for layer in chosen_layers(change, depth)}
    rows = [
        [
            f"{layer}",
            f"{score:+.4f}",
            f"{low:+.4f} to {high:+.4f}",
            "yes" if layer in chosen and evidence.found else "",
        ]
        for layer, (score, low, high) in enumerate(
            zip(evidence.scores, evidence.low, evidence.high, strict=True)
        )
    ]
    caption = f"{evidence.by}, {counted(evidence.items, 'tuning item')}: {evidence.unit}"
    return markup.table(caption, ["layer", "mean", evidence.spread, "chosen"], rows)
