"""The table in docs/families.md matches what the models do; it is written and checked here.

``make support-table`` writes it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from checks import TOLERANCE, greedy
from families.folders import FOLDERS
from families.processing import NEEDS
from families.subjects import FamilySubject, subject_of
from families.test_exactness_of_families import mata
from mata_audio.families import FAMILIES, Family
from mata_audio.families.versions import NEWEST
from mata_audio.steering.formulas import FORMULAS
from reference import Steering

DOCS = Path(__file__).parents[2] / "docs" / "families.md"
START = "<!-- support table: written by make support-table -->\n"
END = "<!-- /support table -->"

HEAD = (
    "| `model_type` | class | tokens | exact | `multiply` decodes on | tested with | notes |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
)

NOTES = {
    "qwen2_audio": "the legacy single audio token is refused",
    "qwen2_5_omni": "only the thinker is steered",
    "qwen3_omni_moe": "only the thinker is steered; experts; query and key norms",
    "qwen3_omni_moe_thinker": "experts; query and key norms",
    "voxtral": "every clip is a whole number of 30 s pieces",
    "phi4_multimodal": "encoders in the embedding; query, key, value are one; LoRA (needs PEFT)",
    "gemma3n": "sliding windows; shared keys; query, key, value norms; no eye in the test (timm)",
    "gemma4": "as Gemma 3n; other key heads in full layers; shared layers read the last row alone",
    "granite_speech": "its own LoRA adapter (needs PEFT), on where it hears something",
    "granite_speech_plus": "its own LoRA adapter (needs PEFT), on where it hears something",
    "qwen3_asr": "query and key norms",
    "vibevoice_asr": "adds noise to what it hears; the command line takes that out",
    "fun_asr_nano": "query and key norms",
    "moss_transcribe_diarize": "query and key norms",
    "nemotron_h_omni": "most layers have no attention (Mamba, experts, MLP)",
    "qwen2_5_vl": "positions in three dimensions",
    "qwen3_vl": "query and key norms; the eye is added to the first layers' output too",
    "llava": "the processor writes one image token a patch",
    "llava_onevision": "tiles with a token at each line end, which is an image token",
    "internvl": "a video is given as images",
    "gemma3": "sliding windows; the tokens of one image see each other",
}
"""What a user of the family should know and no test can find out."""


def exact(subject: FamilySubject, formula: str, tokens: str) -> bool:
    """Whether every row of a padded batch equals the float64 reference."""
    inputs = subject.small.inputs(subject.small.questions_about(tokens))
    steering = Steering(subject.layers, formula=formula, tokens=tokens)
    call = {**inputs, **subject.layout.positions(inputs)}
    with torch.no_grad(), mata(steering)(subject.small.model):
        found = subject.model(**call).logits
    real = inputs["attention_mask"].bool()
    return bool((found[real] - subject.expected(inputs, steering)[real]).abs().max() < TOLERANCE)


def decodes_on(subject: FamilySubject, tokens: str, scaled: set[int]) -> str:
    """How ``multiply`` decodes, observed while it runs."""
    scaled.clear()
    inputs = subject.small.inputs(subject.small.questions_about(tokens))
    with mata(Steering(subject.layers, tokens=tokens))(subject.small.model):
        subject.model.generate(**inputs, **greedy(subject))
    if scaled == set(subject.layers):
        return "scaled keys"
    return "scaled keys or rows, by layer" if scaled else "rows"


def inputs_from(model_type: str) -> str:
    """Where the tests get its inputs."""
    if model_type not in FOLDERS:
        return "tokens and features made here"
    needs = NEEDS[model_type]
    return "its real processor" + (f" (where {needs} is installed)" if needs else "")


def row(family: Family, scaled: set[int]) -> str:
    subject = subject_of(family.model_type)
    formulas = [
        formula
        for formula in FORMULAS
        if all(exact(subject, formula, tokens) for tokens in family.tokens)
    ]
    every = "every formula" if formulas == list(FORMULAS) else None
    cells = [
        f"`{family.model_type}`",
        f"`{type(subject.small.model).__name__}`",
        ", ".join(family.tokens),
        every or ", ".join(f"`{formula}`" for formula in formulas),
        decodes_on(subject, next(iter(family.tokens)), scaled),
        inputs_from(family.model_type),
        NOTES.get(family.model_type, ""),
    ]
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def test_the_table_is_what_the_models_do(scaled_layers: set[int]) -> None:
    import transformers

    if transformers.__version__ != NEWEST:
        pytest.skip(f"the table is that of Transformers {NEWEST}")
    rows = [row(family, scaled_layers) for family in FAMILIES]
    assert all(name in {family.model_type for family in FAMILIES} for name in NOTES)
    table = HEAD + "\n".join(rows) + "\n"
    text = DOCS.read_text(encoding="utf-8")
    before, rest = text.split(START)
    shown, after = rest.split(END)
    if os.environ.get("WRITE_SUPPORT_TABLE"):
        DOCS.write_text(before + START + table + END + after, encoding="utf-8")
        return
    assert shown == table, "run: make support-table"
