"""The table in docs/families.md is what the models do: written and checked here.

make support-table writes it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from families.full_scores import Setting, positions
from families.subjects import Subject, subject_of
from families.test_exactness_of_families import TOLERANCE, greedy, mata
from mata_audio.families import FAMILIES
from mata_audio.formulas import FORMULAS
from mata_audio.versions import NEWEST

DOCS = Path(__file__).parents[2] / "docs" / "families.md"
START = "<!-- support table: written by make support-table -->\n"
END = "<!-- /support table -->"

HEAD = (
    "| `model_type` | class | exact | `multiply` decodes on | tested with | notes |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)
PROCESSOR = "its real processor"
MADE = "tokens and features made here"

NOTES = {
    "qwen2_audio": "the legacy single audio token is refused",
    "qwen2_5_omni": "only the thinker is steered",
    "qwen3_omni_moe": "only the thinker is steered; experts; query and key norms",
    "qwen3_omni_moe_thinker": "experts; query and key norms",
    "voxtral": "every clip is a whole number of 30 s pieces",
    "phi4_multimodal": "encoders in the decoder's embedding; one projection for query, key, value",
    "gemma3n": "sliding windows; shared keys; query, key and value norms",
    "gemma4": "as Gemma 3n; other key heads in full layers; shared layers read the last row alone",
    "granite_speech": "its own LoRA adapter (needs PEFT), on where it hears something",
    "granite_speech_plus": "its own LoRA adapter (needs PEFT), on where it hears something",
    "qwen3_asr": "query and key norms",
    "vibevoice_asr": "adds noise to what it hears: compare with `sample=False`, or from one seed",
    "fun_asr_nano": "query and key norms",
    "moss_transcribe_diarize": "query and key norms",
    "nemotron_h_omni": "most layers have no attention (Mamba, experts, MLP)",
}
"""What a user of the family should know, and a model cannot say by itself."""


def exact(subject: Subject, formula: str) -> bool:
    """Whether every row of a padded batch equals the float64 reference under ``formula``."""
    inputs = subject.small.inputs(subject.small.questions)
    setting = Setting(subject.layers, formula=formula)
    call = {**inputs, **positions(inputs, subject.layout)}
    with torch.no_grad(), mata(setting)(subject.small.model):
        found = subject.model(**call).logits
    real = inputs["attention_mask"].bool()
    return bool((found[real] - subject.expected(inputs, setting)[real]).abs().max() < TOLERANCE)


def decodes_on(subject: Subject, scaled: set[int]) -> str:
    """How ``multiply`` decodes, as seen while it does."""
    scaled.clear()
    with mata(Setting(subject.layers))(subject.small.model):
        subject.model.generate(**subject.small.inputs(subject.small.questions), **greedy())
    if scaled == set(subject.layers):
        return "scaled keys"
    return "scaled keys or rows, by layer" if scaled else "rows"


def row(model_type: str, scaled: set[int]) -> str:
    subject = subject_of(model_type)
    cells = [
        f"`{model_type}`",
        f"`{type(subject.small.model).__name__}`",
        ", ".join(f"`{formula}`" for formula in FORMULAS if exact(subject, formula)),
        decodes_on(subject, scaled),
        MADE if subject.small.processing is None else PROCESSOR,
        NOTES.get(model_type, ""),
    ]
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def test_the_table_is_what_the_models_do(scaled_layers: set[int]) -> None:
    import transformers

    if transformers.__version__ != NEWEST:
        pytest.skip(f"the table is that of Transformers {NEWEST}")
    rows = [row(family.model_type, scaled_layers) for family in FAMILIES]
    assert all(name in {family.model_type for family in FAMILIES} for name in NOTES)
    table = HEAD + "\n".join(rows) + "\n"
    text = DOCS.read_text(encoding="utf-8")
    before, rest = text.split(START)
    shown, after = rest.split(END)
    if os.environ.get("WRITE_SUPPORT_TABLE"):
        DOCS.write_text(before + START + table + END + after, encoding="utf-8")
        return
    assert shown == table, "run: make support-table"
