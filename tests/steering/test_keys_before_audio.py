"""Keys before the audio: all of the prompt before its first audio token, padding not counted."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from checks import QUESTIONS, assert_close, greedy, padded
from mata_audio.methods import Changes
from mata_audio.steering.key_kinds import KeyKinds
from mata_audio.steering.prompt import Prompt
from subject import Subject

prompts = st.lists(st.lists(st.booleans(), min_size=1, max_size=8), min_size=1, max_size=4)


@given(samples=prompts, left=st.booleans(), answer=st.integers(0, 3))
def test_whatever_the_padding(samples: list[list[bool]], left: bool, answer: int) -> None:
    audio, real = padded(samples, left)
    lengths = np.array([max(1, len(tokens) - answer) for tokens in samples])
    ids = audio.long().numpy()
    kinds = KeyKinds(("before-audio", "first,before-audio"))

    prompt = Prompt.build(
        audio.numpy(),
        real.numpy(),
        lengths,
        find_kinds=lambda *masks: kinds.masks(ids, *masks),
    )
    found = torch.from_numpy(prompt.kinds["before-audio"])

    for row, tokens in enumerate(samples):
        prompt = tokens[: int(lengths[row])]
        expected = range(prompt.index(True) if True in prompt else 0)
        own = found[row][real[row]].nonzero().flatten().tolist()
        assert own == list(expected)
        assert not found[row][~real[row]].any()


def test_a_sample_without_audio_has_no_keys_of_any_kind(qwen2_audio: Subject) -> None:
    """In a batch with others, the rows of its answer run through the change, and stay the same."""
    inputs = qwen2_audio.inputs(QUESTIONS)
    plain = qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
    strong = [{"formula": "value", "alpha": 9, "keys": keys} for keys in ("first", "before-audio")]
    with Changes(strong)(qwen2_audio.model):
        changed = qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
    moved = (torch.stack(changed.logits, 1)[:, 0] - torch.stack(plain.logits, 1)[:, 0]).abs()
    assert (moved[:2].amax(1) > 0.01).all()
    assert torch.equal(changed.sequences[2], plain.sequences[2])
    assert_close(torch.stack(changed.logits, 1)[2], torch.stack(plain.logits, 1)[2])
