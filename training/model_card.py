"""Write the model card and the machine-readable figures from the measurements."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sizes
from choose_setting import Trial
from mata_audio import MATA
from mata_audio.evaluation.results.number_format import points
from mata_audio.notation.layers import format_indices
from mata_audio.tiny.benchmark import NOISE_RANGE_DB
from mata_audio.tiny.tasks import DOMAINS, TASKS

Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class CardFigures:
    """What was measured. ``training`` holds the content of ``training.json``, ``trials`` the best
    setting first, ``tested`` figures by group for ``paper`` and ``chosen``.
    """

    training: dict[str, Any]
    parameters: int
    trials: list[Trial]
    tested: dict[str, Figures]


def layer_text(setting: MATA) -> str:
    """Layers of a setting as text, such as ``4-8``."""
    return format_indices(tuple(setting.layers or ()))  # type: ignore[arg-type]


def comparison_row(name: str, figures: dict[str, float]) -> str:
    """One row of a results table; differences in percentage points."""
    before, after = 100 * figures["baseline"], 100 * figures["steered"]
    return (
        f"| {name} | {figures['items']} | {before:.1f} | {after:.1f} | {after - before:+.1f} "
        f"[{points(figures['low'])}, {points(figures['high'])}] "
        f"| {figures['gained']} | {figures['lost']} | {figures['mcnemar_p']:.2g} |"
    )


def comparison_table(figures: Figures) -> str:
    """Baseline against MATA for every group."""
    header = (
        "| items | n | baseline % | MATA % | difference [95 % interval] | gained | lost "
        "| McNemar p |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    return "\n".join([header, *(comparison_row(name, row) for name, row in figures.items())])


def trial_table(trials: list[Trial], limit: int = 8) -> str:
    """The best settings of the grid on the tune split."""
    header = (
        "| alpha | layers | gained | lost | contradicting: gained | lost |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    rows = [
        f"| {trial.setting.alpha} | {layer_text(trial.setting)} | {trial.figures['gained']} "
        f"| {trial.figures['lost']} | {trial.contradicting['gained']} "
        f"| {trial.contradicting['lost']} |"
        for trial in trials[:limit]
    ]
    return "\n".join([header, *rows])


def task_table() -> str:
    """The questions and answers, by domain."""
    rows = [
        f"| {domain} | {task.questions[0]} | {', '.join(task.answers)} |"
        for domain in DOMAINS
        for task in TASKS
        if task.domain == domain
    ]
    return "\n".join(["| domain | question | answers |", "| --- | --- | --- |", *rows])


def recipe(measured: CardFigures) -> str:
    """The training recipe in words."""
    mix, training = sizes.LANGUAGE_MIX, measured.training
    return (
        f"Seed {training['seed']}. {sizes.TRAIN_CLIPS:,} clips of the train split. "
        f"{sizes.ENCODER_STEPS} steps on the audio encoder alone (batch 64, a probe that is "
        "thrown away), then everything else on question, caption, audio and answer (batch 32): "
        f"{sizes.STOP_AFTER} steps of a schedule of {sizes.LANGUAGE_STEPS} on the first "
        f"{sizes.LANGUAGE_CLIPS:,} clips, in which {mix.uncaptioned:.0%} of the questions have no "
        f"caption and {mix.reliable:.1%} of the captions are right. AdamW, one cycle of the "
        "learning rate. The caption comes before the audio, is nearly always right, and training "
        "stops early: this is what makes the model trust text. "
        f"Training took {training['minutes']:.0f} minutes on a machine of two CPU cores that "
        f"did other work as well (--threads {training['threads']})."
    )


def card(measured: CardFigures) -> str:
    """The whole card as Markdown."""
    chosen, paper, trials = measured.trials[0].setting, sizes.PAPER, len(measured.trials)
    noise = f"{NOISE_RANGE_DB[0]:.0f} to {NOISE_RANGE_DB[1]:.0f} dB"
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: audio-text-to-text
tags: [audio, qwen2_audio, synthetic, mata]
---

# Tiny audio language model

A `Qwen2AudioForConditionalGeneration` of {measured.parameters / 1e6:.2f} M parameters that answers
twelve questions about synthetic clips of one to two seconds. It exists to try MATA (More Attention
To Audio, arXiv 2509.18816) for real without a network. Like large models it is text-biased: a
caption that contradicts the audio often wins.

## Data

All audio is synthesised by `mata_audio.tiny` (numpy, scipy), seeded, with noise at {noise}
signal-to-noise ratio. Train, tune and test splits come from disjoint random streams. Each item has
one of three conditions: no caption, a caption that agrees with the audio, one that contradicts it.

{task_table()}

## Recipe

{recipe(measured)}

## Figures

Test split, greedy `generate` through the processor; an answer counts when it equals the right one.
Difference: percentage points, 95 % interval (Tango's, with continuity correction); p: exact
two-sided McNemar.

### Chosen setting: alpha {chosen.alpha}, layers {layer_text(chosen)}, `{chosen.formula}`

Chosen by net gain over all conditions among {trials} settings on {sizes.TUNE_ITEMS:,}
tune items (`mata.json`).

{comparison_table(measured.tested["chosen"])}

### The paper's setting: alpha {paper.alpha}, layers {layer_text(paper)} (10-20 of 28, scaled to 12)

{comparison_table(measured.tested["paper"])}

### Best settings on the tune split (first answer word)

{trial_table(measured.trials)}

## Limits

- It knows the words of its benchmark and nothing else: other words become `<unk>`.
- Clips up to two seconds; longer audio is cut. One clip a prompt in training.
- The bias is trained in, through captions that are nearly always right; it shows that MATA acts as
  described, not how much it helps a large model.
- Bias and effect are for text before audio, as in the benchmark.
- Intervals cover the choice of test items, not of training seeds.

Made by `python training/train_tiny.py --out src/mata_audio/tiny/model`.
"""


def write_card(folder: Path, measured: CardFigures) -> None:
    """Write ``README.md`` and ``figures.json`` (the tested figures) into the model folder."""
    (folder / "README.md").write_text(card(measured), encoding="utf-8")
    (folder / "figures.json").write_text(
        json.dumps(measured.tested, indent=1) + "\n", encoding="utf-8"
    )
