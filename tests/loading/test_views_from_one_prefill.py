"""One prefill for the baseline and methods of all sorts: each as if it had run by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mata_audio import MATA
from mata_audio.methods.contrast import Contrast
from mata_audio.methods.mass import Mass
from mata_audio.models import one_prefill
from mata_audio.models.one_prefill import generate_all, greedy
from mata_audio.settings.named import NamedSetting, with_baseline
from mata_audio.steering.receipt import Receipt
from mata_audio.steering.rule import Change, FirstLook, Rule
from reference import Steering
from ruled import THREE_VIEWS, Ruled, assert_same_logits, expected_logits
from subject import Subject


def half_by_certainty(logits: Tensor) -> Tensor:
    return 4 * logits.softmax(-1).amax(-1)


LOOKING = Ruled(
    Rule(((Change("mass", 2.0, layers="all"),),), look=FirstLook(half_by_certainty, each_step=True))
)
SETTINGS = with_baseline(
    [
        NamedSetting("mata", MATA(alpha=3.0, layers=[1, 2])),
        NamedSetting("weak contrast", Contrast(alpha=1.0, power=0.0, cut=0.0)),
        NamedSetting("strong contrast", Contrast(alpha=9.0, power=1.0, cut=0.2)),
        NamedSetting("mass", Mass(alpha=3.0, layers="all")),
        NamedSetting("three views", THREE_VIEWS),
        NamedSetting("no contrast", Contrast(alpha=0.0)),
        NamedSetting("after audio", MATA(alpha=3.0, layers=[1, 2], rows="after-audio")),
        NamedSetting("looking", LOOKING),
    ]
)


def config_of(subject: Subject) -> Any:
    config = greedy(subject.model, subject.processor.tokenizer, max_new_tokens=5)
    config.update(suppress_tokens=list(subject.never))
    return config


def two_prompts(subject: Subject) -> dict[str, Tensor]:
    """Two prompts of one length, about different clips."""
    return subject.inputs([("What is this?", [1.0]), ("Is it a dog?!", [1.0])])


class Listened:
    """The logits of every pass of a model in ``generate_all``, by setting and prompt."""

    def __init__(self, subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of: dict[str, list[Tensor]] = {}
        self.prompt_passes = 0
        original = one_prefill._generate_part
        passes: list[Tensor] = []

        def part(located: Any, inputs: Any, settings: Any, *rest: Any) -> Any:
            passes.clear()
            found = original(located, inputs, settings, *rest)
            steps = torch.stack([logits[:, -1] for logits in passes], 1)
            for place, setting in enumerate(settings):
                self.of[setting.name] = list(steps[place :: len(settings)])
            return found

        monkeypatch.setattr(one_prefill, "_generate_part", part)
        decoder = subject.layout.decoder_in(subject.model)
        self.hooks = [
            subject.model.register_forward_hook(lambda m, a, out: passes.append(out.logits)),
            decoder.register_forward_pre_hook(self._count, with_kwargs=True),
        ]

    def _count(self, module: Any, args: Any, kwargs: Any) -> None:
        self.prompt_passes += kwargs["inputs_embeds"].shape[1] > 1

    def stop(self) -> None:
        for hook in self.hooks:
            hook.remove()


def expected(subject: Subject, inputs: Any, setting: NamedSetting, new: Tensor) -> Tensor:
    """What the reference expects of a setting; not of those that look first."""
    if setting.method is None or setting.name == "no contrast":
        return subject.expected(inputs, Steering([]), generated=new)
    rows = None
    if setting.name == "after audio":
        audio = inputs["input_ids"] == subject.audio_token_id
        rows = audio.flip(1).cumsum(1).flip(1) == 0
    if not setting.method.rule().combine:
        kept = {"alpha": setting.method.alpha, "layers": setting.method.layers}
        layers = range(4) if kept["layers"] == "all" else kept["layers"]
        formula = "mass" if setting.name == "mass" else "multiply"
        steering = Steering(layers, 3.0, formula, rows="last" if rows is None else rows)
        return subject.expected(inputs, steering, generated=new)
    return expected_logits(subject, inputs, setting.method, new)


def test_each_setting_is_as_by_itself(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, config = two_prompts(subject), config_of(subject)
    listened = Listened(subject, monkeypatch)
    receipts: dict[str, Receipt] = {}
    try:
        results = generate_all(subject.model, inputs, SETTINGS, config, receipts)
    finally:
        listened.stop()
    # Once for all that change only the last row, and once for the one that changes others.
    assert listened.prompt_passes == 2
    answers = {}
    for setting in SETTINGS:
        new = torch.tensor([found[setting.name].tokens for found in results])
        answers[setting.name] = str(new.tolist())
        if setting.name != "looking":
            want = expected(subject, inputs, setting, new)
            assert_same_logits(torch.stack(listened.of[setting.name]), want)
        if setting.method is None:
            continue
        with setting.method(subject.model) as applied:
            alone = subject.model.generate(**inputs, generation_config=config)
        assert torch.equal(alone[:, inputs["input_ids"].shape[1] :], new)
        assert receipts[setting.name].audio_tokens == applied.receipt.audio_tokens
        assert receipts[setting.name].layers == applied.receipt.layers
        assert receipts[setting.name].active_rows == applied.receipt.active_rows
        got, want = receipts[setting.name].listening, applied.receipt.listening
        assert vars(got) == pytest.approx(vars(want), rel=1e-5)
    assert answers["no contrast"] == answers["baseline"]
    baseline = listened.of["baseline"][0][0]
    for name, logits in listened.of.items():
        effect = (logits[0][0] - baseline).nan_to_num(posinf=0, neginf=0).abs().max()
        assert (effect > 1e-2) == (name not in ("baseline", "no contrast")), name


def test_more_views_than_fit_are_read_in_parts(
    qwen2_audio: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three rows for each prompt: one setting of two views at a time."""
    inputs, config = two_prompts(qwen2_audio), config_of(qwen2_audio)
    together = generate_all(qwen2_audio.model, inputs, SETTINGS, config)
    monkeypatch.setattr(one_prefill, "ROWS_AT_ONCE", 3 * 2)
    in_parts = generate_all(qwen2_audio.model, inputs, SETTINGS, config)
    assert [{n: g.tokens for n, g in found.items()} for found in in_parts] == [
        {n: g.tokens for n, g in found.items()} for found in together
    ]
