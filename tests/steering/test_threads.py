"""Any number of threads on one steered model: each call is as it would be by itself."""

from __future__ import annotations

import copy
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import TextIteratorStreamer

from checks import QUESTIONS, SETTING, assert_generated_exactly, each_setting, greedy
from mata_audio import MATA, StillRunningError
from subject import Subject
from traces import traces

SETTINGS = [
    MATA(alpha=0.7, layers=[1, 2]),
    MATA(alpha=2.0, layers=[3], formula="absolute"),
    MATA(alpha=0.7, layers=[0, 1, 2, 3], heads=[1, 2]),
    MATA(alpha=3.0, layers=[1], formula="add", rows="all"),
]
ROUNDS = 3


def prompts_of(subject: Subject, count: int) -> list[dict[str, torch.Tensor]]:
    """Prompts of different lengths and clips, the last without a clip."""
    texts: list[tuple[str, list[float]]] = [
        (f"{QUESTIONS[0][0]} {'?' * number}", [0.5 + 0.1 * number]) for number in range(count - 1)
    ]
    return [subject.inputs([text], seed=n) for n, text in enumerate([*texts, ("No clip.", [])])]


class Calls:
    """Ways of asking one model about some prompts; each returns what can be compared."""

    def __init__(self, subject: Subject, prompts: list[dict[str, torch.Tensor]]) -> None:
        self.subject, self.prompts = subject, prompts
        self.model: Any = subject.model

    def forward(self, number: int) -> torch.Tensor:
        with torch.no_grad():
            logits: torch.Tensor = self.model(**self.prompts[number]).logits
        return logits

    def generate(self, number: int) -> torch.Tensor:
        options = greedy(self.subject, max_new_tokens=3)
        return torch.stack(self.model.generate(**self.prompts[number], **options).logits)

    def loop(self, number: int) -> torch.Tensor:
        """A loop of one's own, whose passes may alternate with other threads' calls."""
        with torch.no_grad():
            out = self.model(**self.prompts[number], use_cache=True)
            logits = [out.logits[:, -1]]
            for _ in range(2):
                token = logits[-1][:, :256].argmax(-1, keepdim=True)
                out = self.model(input_ids=token, past_key_values=out.past_key_values)
                logits.append(out.logits[:, -1])
        return torch.stack(logits)

    def stream(self, number: int) -> torch.Tensor:
        """The answer as a streamer gives it, and its tokens."""
        streamer = TextIteratorStreamer(
            self.subject.processor.tokenizer, skip_prompt=True, timeout=120
        )
        options = greedy(self.subject, max_new_tokens=3)
        found: list[torch.Tensor] = []

        def run() -> None:
            out = self.model.generate(**self.prompts[number], **options, streamer=streamer)
            found.append(torch.stack(out.logits))

        thread = threading.Thread(target=run)
        thread.start()
        assert "".join(streamer) is not None
        thread.join()
        return found[0]

    @property
    def ways(self) -> list[Callable[[int], torch.Tensor]]:
        return [self.forward, self.generate, self.loop, self.stream]


def soak(subject: Subject, mata: MATA, threads: int, calls: int) -> int:
    """Run mixed calls from several threads on one attached model; return how many were wrong."""
    work = Calls(subject, prompts_of(subject, 6))
    alone = {}
    with mata(subject.model):
        for way in work.ways:
            for number in range(6):
                alone[way.__name__, number] = way(number)
    start = threading.Barrier(threads)

    def run(seed: int) -> int:
        rng, wrong = random.Random(seed), 0
        start.wait(timeout=60)
        for _ in range(calls):
            way, number = rng.choice(work.ways), rng.randrange(6)
            wrong += not torch.equal(way(number), alone[way.__name__, number])
        return wrong

    with mata(subject.model), ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(run, range(threads)))


@each_setting
def test_soak(subject: Subject, setting: dict[str, Any], pytestconfig: pytest.Config) -> None:
    """Forward passes, answers, loops and streams; `make soak` runs the long form."""
    threads, calls = (8, 200) if pytestconfig.getoption("--soak") else (4, 8)
    assert soak(subject, MATA(**setting), threads, calls) == 0


def test_eight_threads_on_four_models(qwen2_audio: Subject) -> None:
    models = [copy.deepcopy(qwen2_audio.model) for _ in SETTINGS]
    prompts = prompts_of(qwen2_audio, 2 * len(models) + 1)[:-1]

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


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, GeneratorExit])
@pytest.mark.parametrize("how", ["forward", "generate"])
def test_an_error_within_a_pass_leaves_no_lock_and_no_state(
    qwen2_audio: Subject, error: type[BaseException], how: str
) -> None:
    """The next call, from another thread too, is right; the decoder by itself is refused again."""
    calls = Calls(qwen2_audio, prompts_of(qwen2_audio, 2))
    decoder = qwen2_audio.model.model.language_model
    with MATA(**SETTING)(qwen2_audio.model):
        expected = calls.generate(0)

        def fail(*_: Any) -> None:
            raise error("in the middle of a pass")

        broken = decoder.layers[2].mlp.register_forward_hook(fail)
        try:
            with pytest.raises(error, match="in the middle"):
                getattr(calls, how)(0)
        finally:
            broken.remove()
        with pytest.raises(TypeError, match="outside the model's own forward"):
            decoder(inputs_embeds=torch.zeros(1, 3, 64))
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(calls.generate, 0).result(timeout=60)
        assert torch.equal(found, expected)


class Slow:
    """A streamer that says when the first token came, and then takes its time."""

    def __init__(self) -> None:
        self.started, self.go_on = threading.Event(), threading.Event()

    def put(self, value: torch.Tensor) -> None:
        if self.started.is_set():
            time.sleep(0.01)
        self.started.set()

    def end(self) -> None:
        pass


@each_setting
def test_leaving_the_block_waits_for_a_stream(
    qwen2_audio: Subject, setting: dict[str, Any]
) -> None:
    """An abandoned stream is steered to its end, and then the model is as it was."""
    inputs, before = qwen2_audio.inputs(QUESTIONS[:1]), traces(qwen2_audio.model)
    found: list[Any] = []
    streamer = Slow()

    def run() -> None:
        options = greedy(qwen2_audio, streamer=streamer)
        found.append(qwen2_audio.model.generate(**inputs, **options))

    with MATA(**setting)(qwen2_audio.model):
        thread = threading.Thread(target=run)
        thread.start()
        assert streamer.started.wait(timeout=60)
    assert found, "the block was left before the answer was whole"
    assert traces(qwen2_audio.model) == before
    with MATA(alpha=-0.5, layers=[0])(qwen2_audio.model):  # a new block meets no old stream
        second = qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
    assert_generated_exactly(qwen2_audio, inputs, found[0], **setting)
    assert_generated_exactly(qwen2_audio, inputs, second, alpha=-0.5, layers=[0])


def test_a_call_that_starts_too_late_is_refused(qwen2_audio: Subject) -> None:
    """Its generate() was taken from the steered model, so an unsteered answer would be wrong."""
    with MATA(**SETTING, on_no_audio="ignore")(qwen2_audio.model):
        taken = qwen2_audio.model.generate
    with pytest.raises(StillRunningError, match="no longer steered"):
        taken(**qwen2_audio.inputs(QUESTIONS[:1]), max_new_tokens=1)


def test_detaching_inside_a_call_is_refused(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    handle = MATA(**SETTING).attach(qwen2_audio.model)

    def stop(*_: Any) -> torch.Tensor:
        with pytest.raises(StillRunningError, match="detach after the call"):
            handle.detach()
        return torch.zeros(1, dtype=torch.bool)

    output = qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio, stopping_criteria=[stop]))
    handle.detach()
    assert_generated_exactly(qwen2_audio, inputs, output, **SETTING)


def test_an_interrupted_wait_ends_the_running_call(
    qwen2_audio: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is as it was at once, and the answer that was half written is refused."""
    before, inputs = traces(qwen2_audio.model), qwen2_audio.inputs(QUESTIONS[:1])
    streamer, errors = Slow(), []

    def run() -> None:
        try:
            qwen2_audio.model.generate(**inputs, streamer=streamer, max_new_tokens=200)
        except StillRunningError as error:
            errors.append(error)

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    handle = MATA(**SETTING).attach(qwen2_audio.model)
    thread = threading.Thread(target=run)
    thread.start()
    assert streamer.started.wait(timeout=60)
    with monkeypatch.context() as patch:
        patch.setattr("mata_audio.steering.turns._pause", interrupted)
        with pytest.raises(KeyboardInterrupt):
            handle.detach()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert len(errors) == 1
    assert traces(qwen2_audio.model) == before
    with MATA(**SETTING)(qwen2_audio.model):
        output = qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
    assert_generated_exactly(qwen2_audio, inputs, output, **SETTING)


def test_two_threads_with_two_models(qwen2_audio: Subject) -> None:
    twin = replace(qwen2_audio, model=copy.deepcopy(qwen2_audio.model))
    settings: list[dict[str, Any]] = [SETTING, {"alpha": 1.5, "layers": [0], "formula": "add"}]
    inputs = qwen2_audio.inputs(QUESTIONS)
    start = threading.Barrier(2)

    def work(subject: Subject, setting: dict[str, Any]) -> list[Any]:
        start.wait()
        outputs = []
        for _ in range(4):
            with MATA(**setting)(subject.model):
                outputs.append(subject.model.generate(**inputs, **greedy(subject)))
        return outputs

    with ThreadPoolExecutor(2) as pool:
        found = pool.map(work, (qwen2_audio, twin), settings)
    for subject, setting, outputs in zip((qwen2_audio, twin), settings, found, strict=True):
        for output in outputs:
            assert_generated_exactly(subject, inputs, output, **setting)
