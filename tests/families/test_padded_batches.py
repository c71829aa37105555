"""Prompts of different lengths in one batch: answers and masses as of each prompt by itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from families.folders import FOLDERS
from families.subjects import subject_of
from families.test_folders import loaded_of, noise
from mata_audio import MATA
from mata_audio.doctor.small_models import MODEL_TYPES
from mata_audio.doctor.small_models.vocabulary import PAD
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.prepare import Prepared, cut_masked
from mata_audio.evaluation.running.stacking import stacked
from mata_audio.families import FAMILIES, locate
from mata_audio.methods import Mass
from mata_audio.models.loading import Loaded
from mata_audio.models.one_prefill import Generated, generate_all, greedy
from mata_audio.models.prompter import Prompter
from mata_audio.settings.named import NamedSetting, with_baseline

QUESTIONS = (("w7 w8", (0.3,)), ("w9", (1.9,)), ("w7 w8 w9 w10 w11", (0.9, 0.2)), ("w8", (0.5,)))
"""Words, and seconds of the clips; the second clip is longer than one window of some models."""

IGNORING = {own.model_type for own in FAMILIES if own.hearing.ignores_padding}
CLOSE = 1e-5
"""Between mean shares of attention in float32."""


def item(inputs: dict[str, Any]) -> Prepared:
    return Prepared(Item("", (), "", (), None), inputs, ())


def prompts_of(loaded: Loaded) -> list[Prepared]:
    """Prompts of a family's real processor."""
    prompter = Prompter.of(loaded)
    found = []
    for words, seconds in QUESTIONS:
        longest = prompter.limits.longest or 9.0
        clips = [noise(prompter, min(own, longest)) for own in seconds][: prompter.hearing.clips]
        inputs = prompter.inputs([words], [clips])
        found.append(item(cut_masked(inputs) if prompter.hearing.drops_masked else inputs))
    return found


def settings_of(model: Any) -> list[NamedSetting]:
    layers = locate(model).attending[-2:]
    return with_baseline(
        [
            NamedSetting("multiply", MATA(alpha=3.0, layers=layers)),
            NamedSetting("mass", Mass(alpha=2.0, layers=layers)),
            NamedSetting("all rows", MATA(alpha=3.0, layers=layers, rows="all")),
        ]
    )


def answered(loaded: Any, batch: list[Prepared]) -> list[dict[str, Generated]]:
    words: Any = SimpleNamespace(eos_token_id=1, pad_token_id=0)
    config = greedy(loaded.model, words, max_new_tokens=5)
    config.update(suppress_tokens=[0, 1, 2, *range(96, 128)])
    return generate_all(loaded.model, stacked(batch, loaded), settings_of(loaded.model), config)


def worst_difference(loaded: Any, prompts: list[Prepared]) -> float:
    """Return how far masses in one padded batch are from each prompt's own; inf for answers."""
    assert len({own.tokens for own in prompts}) > 2
    together = answered(loaded, prompts)
    found = []
    for prompt, beside in zip(prompts, together, strict=True):
        (own,) = answered(loaded, [prompt])
        for name, expected in own.items():
            heard, alone = beside[name].listening, expected.listening
            assert heard.rows == alone.rows
            if alone.rows:
                found.append(abs(heard.before - alone.before) / alone.rows)
                found.append(abs(heard.after - alone.after) / alone.rows)
            found.append(0.0 if beside[name].tokens == expected.tokens else float("inf"))
    return max(found)


@pytest.mark.parametrize("model_type", FOLDERS)
def test_a_padded_batch_says_what_each_prompt_says(model_type: str) -> None:
    """The fact in the family's row is what its real processor and small model show."""
    loaded = loaded_of(model_type)
    worst = worst_difference(loaded, prompts_of(loaded))
    assert (worst < CLOSE) == (model_type in IGNORING), worst


@pytest.mark.parametrize("model_type", [own for own in MODEL_TYPES if own in IGNORING])
def test_so_do_its_small_models_own_inputs(model_type: str) -> None:
    """Also where the processor needs a package that is not installed."""
    small = subject_of(model_type).small
    loaded = SimpleNamespace(
        model=small.model,
        processor=SimpleNamespace(tokenizer=SimpleNamespace(pad_token_id=PAD)),
    )
    asked = [question for question in small.questions if question.clips]
    asked.append(asked[0]._replace(text=asked[0].text + 5, seed=9))
    prompts = [item(small.inputs([question])) for question in asked]
    assert worst_difference(loaded, prompts) < CLOSE
