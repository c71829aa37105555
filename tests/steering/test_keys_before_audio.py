"""Keys before the audio: all of the prompt before its first audio token, padding not counted."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from checks import padded
from mata_audio.steering.key_kinds import KeyKinds
from mata_audio.steering.prompt import Prompt

prompts = st.lists(st.lists(st.booleans(), min_size=1, max_size=8), min_size=1, max_size=4)


@given(samples=prompts, left=st.booleans(), answer=st.integers(0, 3))
def test_whatever_the_padding(samples: list[list[bool]], left: bool, answer: int) -> None:
    audio, real = padded(samples, left)
    lengths = torch.tensor([max(1, len(tokens) - answer) for tokens in samples])
    ids = audio.long()
    kinds = KeyKinds(("before-audio", "first,before-audio"))

    found = Prompt.build(
        audio, real, lengths, find_kinds=lambda *masks: kinds.masks(ids, *masks)
    ).keys("before-audio")

    for row, tokens in enumerate(samples):
        prompt = tokens[: int(lengths[row])]
        expected = range(prompt.index(True) if True in prompt else 0)
        own = found[row][real[row]].nonzero().flatten().tolist()
        assert own == list(expected)
        assert not found[row][~real[row]].any()
