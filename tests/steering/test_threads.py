"""Eight threads, four models, different settings: each answer is as it would be on its own."""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from checks import QUESTIONS, greedy
from mata_audio import MATA
from subject import Subject

SETTINGS = [
    MATA(alpha=0.7, layers=[1, 2]),
    MATA(alpha=2.0, layers=[3], formula="absolute"),
    MATA(alpha=0.7, layers=[0, 1, 2, 3], heads=[1, 2]),
    MATA(alpha=3.0, layers=[1], formula="add", rows="all"),
]
ROUNDS = 3


def test_eight_threads(qwen2_audio: Subject) -> None:
    models = [copy.deepcopy(qwen2_audio.model) for _ in SETTINGS]
    prompts = [
        qwen2_audio.inputs([(f"{QUESTIONS[0][0]} {'?' * number}", [0.5 + 0.1 * number])])
        for number in range(2 * len(models))
    ]

    def logits(number: int) -> torch.Tensor:
        model = models[number % len(models)]
        return torch.stack(model.generate(**prompts[number], **greedy(qwen2_audio)).logits)

    alone = []
    for number in range(len(prompts)):
        with SETTINGS[number % len(models)](models[number % len(models)]):
            alone.append(logits(number))
    start = threading.Barrier(len(prompts))

    def work(number: int) -> list[torch.Tensor]:
        torch.set_grad_enabled(False)
        start.wait(timeout=60)
        return [logits(number) for _ in range(ROUNDS)]

    attached = [mata.attach(model) for mata, model in zip(SETTINGS, models, strict=True)]
    with ThreadPoolExecutor(len(prompts)) as pool:
        found = list(pool.map(work, range(len(prompts))))
    for handle in attached:
        handle.detach()
    for number, rounds in enumerate(found):
        for one in rounds:
            assert torch.equal(one, alone[number]), number
    for number, handle in enumerate(attached):
        tokens = [
            int((prompts[n]["input_ids"] == qwen2_audio.audio_token_id).sum())
            for n in (number, number + len(models))
        ]
        assert sorted(handle.receipt.audio_tokens) == sorted(ROUNDS * tokens)
