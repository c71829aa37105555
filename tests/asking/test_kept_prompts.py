"""Kept prompts: what goes on from them is what a fresh run gives, in every family."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from checks import TOLERANCE
from families.subjects import FamilySubject, subject_of
from mata_audio import MATA
from mata_audio.asking.hearing import hear
from mata_audio.asking.kept import KeptPrompts
from mata_audio.asking.prompt import Prompt
from mata_audio.doctor.small_models import MODEL_TYPES
from mata_audio.families import locate, using_row_state
from mata_audio.models.audio import Decoded
from mata_audio.models.caches import forgets
from mata_audio.models.one_prefill import greedy
from mata_audio.models.prefill import BY_TOKEN
from mata_audio.settings.named import NamedSetting
from mata_audio.steering.by_rule import NOTHING, attachment_by_rule
from mata_audio.steering.observation import Observation

WORDS: Any = SimpleNamespace(eos_token_id=1, pad_token_id=0)
NEW_TOKENS = 4
SECOND = Decoded(np.zeros(16_000, np.float32), 1.0, 1.0, "")


@pytest.fixture(params=MODEL_TYPES)
def hearing_family(request: pytest.FixtureRequest) -> FamilySubject:
    """Each family that hears."""
    family = subject_of(request.param)
    if "audio" not in family.small.tokens:
        pytest.skip("hears no audio")
    return family


def first_prompt(family: FamilySubject) -> Prompt:
    return Prompt("first", [SECOND], family.small.inputs(family.small.questions[:1]))


def other_question(family: FamilySubject, prompt: Prompt, words: list[int]) -> Prompt:
    """The same prompt up to the token after its sound, and then other words."""
    ids = prompt.inputs["input_ids"]
    after = int((ids[0] == family.audio_token_id).nonzero().max()) + 2
    new = {}
    for name, value in prompt.inputs.items():
        if name in BY_TOKEN:
            filled = 1 if name == "attention_mask" else 0
            more = torch.full((1, len(words)), filled, dtype=value.dtype)
            if name == "input_ids":
                more = torch.tensor([words])
            new[name] = torch.cat([value[:, :after], more], dim=1)
    return Prompt("other", prompt.clips, {**prompt.inputs, **new})


def logits(family: FamilySubject, arguments: dict[str, Any], state: Tensor | None) -> Any:
    config = greedy(family.model, WORDS, NEW_TOKENS)
    config.update(
        suppress_tokens=list(family.never), output_logits=True, return_dict_in_generate=True
    )
    located = locate(family.model)
    with torch.no_grad(), using_row_state(located, state):
        return family.model.generate(**arguments, generation_config=config)


def disturb(family: FamilySubject) -> None:
    """Run padded prompts, so that what the model keeps of its latest call is wrong."""
    with torch.no_grad():
        family.model(**family.small.inputs(family.small.questions[:2]))


def assert_same(one: Any, other: Any) -> None:
    assert torch.equal(one.sequences, other.sequences)
    difference = torch.stack(one.logits) - torch.stack(other.logits)
    assert difference.abs().max() < TOLERANCE


def test_other_questions_go_on_from_the_sound(hearing_family: FamilySubject) -> None:
    """Longer and shorter ones, under a setting; and the first one again is as it was."""
    family = hearing_family
    located = locate(family.model)
    kept = KeptPrompts(located, WORDS, 2**30)
    first = first_prompt(family)
    prompts = [first]
    prompts += [other_question(family, first, words) for words in ([40, 41, 42, 43, 44, 45], [50])]
    mata = MATA(alpha=2.0, layers=family.layers)
    for prompt in (*prompts, first):
        disturb(family)
        start = kept.of(prompt)
        for _ in range(2):  # using it leaves it as it was
            with mata(family.model):
                expected = logits(family, dict(prompt.inputs), None)
            disturb(family)
            with mata(family.model):
                found = logits(family, start.rows(1)[0], start.state)
            assert_same(found, expected)
    dropping = forgets(located.listener)
    assert (kept.read, kept.continued) == ((3, 0) if dropping else (1, 2))


@pytest.mark.parametrize("rows", ["last", "all"])
def test_attention_is_that_of_the_rows_that_chose(hearing_family: FamilySubject, rows: str) -> None:
    """Read in one pass afterwards, it is what each step of ``generate`` attended to."""
    family = hearing_family
    located = locate(family.model)
    prompt = first_prompt(family)
    method = MATA(alpha=2.0, layers=family.layers, rows=rows)
    for setting in (NamedSetting("baseline", None), NamedSetting("MATA", method)):
        rule = NOTHING if setting.method is None else setting.method.rule()
        seen: list[Observation] = []
        with attachment_by_rule(located, [rule], observer=seen.append):
            output = logits(family, dict(prompt.inputs), None)
        answer = output.sequences[0, len(prompt.tokens) :].tolist()
        kept = KeptPrompts(located, WORDS, 2**30)
        start = kept.of(prompt) if rule.rows.is_last else None
        disturb(family)
        heard = hear(located, WORDS, prompt, answer, rule, start)
        places = [n for n, token in enumerate(prompt.tokens) if token == family.audio_token_id]
        assert heard.weights.shape == (len(answer), located.depth, located.heads, len(places))
        expected = np.zeros_like(heard.weights)
        step, latest = -1, located.depth
        for own in seen:
            step += own.layer < latest
            latest = own.layer
            for key, place in enumerate(places):
                if place >= own.first_slot:
                    expected[step, own.layer, :, key] = own.weights[
                        0, :, -1, place - own.first_slot
                    ]
        assert step == len(answer) - 1
        assert np.abs(heard.weights - expected).max() < TOLERANCE
        assert expected[:, list(family.layers)].max() > 0.01


def test_the_prompt_used_least_recently_is_dropped() -> None:
    family = subject_of("qwen2_audio")
    located = locate(family.model)
    probe = KeptPrompts(located, WORDS, 2**30)
    start = probe.of(first_prompt(family))
    one = sum(layer.keys.nbytes + layer.values.nbytes for layer in start.cache.layers)
    kept = KeptPrompts(located, WORDS, int(2.5 * one))
    prompts = [
        Prompt(
            str(seed),
            [SECOND],
            family.small.inputs([family.small.questions[0]._replace(seed=seed)]),
        )
        for seed in (1, 2, 3)
    ]
    for prompt in (*prompts[:2], prompts[0], prompts[2]):
        kept.of(prompt)
    assert (len(kept), kept.read) == (2, 3)
    kept.of(prompts[0])
    assert kept.read == 3  # it was used after the second
    kept.of(prompts[1])
    assert kept.read == 4


def test_other_sound_is_never_taken_for_the_same() -> None:
    """Equal tokens and other features: what was kept must not be used."""
    family = subject_of("qwen2_audio")
    kept = KeptPrompts(locate(family.model), WORDS, 2**30)
    first = first_prompt(family)
    louder = {
        name: value * 2 if value.is_floating_point() else value
        for name, value in first.inputs.items()
    }
    second = Prompt("louder", [SECOND], louder)
    assert second.tokens == first.tokens
    kept.of(first)
    start = kept.of(second)
    assert (kept.read, kept.continued) == (2, 0)
    assert_same(logits(family, start.rows(1)[0], start.state), logits(family, louder, None))
