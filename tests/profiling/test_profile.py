"""Attention profiles: the observer sees a full-score model's weights, and the sums are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import models
from checks import NEW_TOKENS, QUESTIONS, greedy, prompt_tokens, using_backend
from mata_audio import MATA, NoAudioError, SettingsError, SettingsTypeError
from mata_audio.errors import AlreadyAttachedError, DataError
from mata_audio.families import locate
from mata_audio.profiling import Profile, profile, timeline
from mata_audio.profiling.gathering import Gathered
from mata_audio.profiling.moments import Moments
from mata_audio.settings.named import NamedSetting
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.gain_tensor import KeyGains, gain_tensor
from mata_audio.steering.observation import Observation
from mata_audio.steering.token_kinds import (
    AUDIO,
    GENERATED,
    IMAGE,
    INSTRUCTION,
    KINDS,
    PADDING,
    SINK,
    SPECIAL,
    SYSTEM,
    token_kinds,
    vocabulary,
)
from reference import Steering, double, full_score_attention
from subject import Subject

NOTHING = MATA(alpha=0)
STEERED = MATA(alpha=0.7, layers=[1, 2])
SETTINGS = [NOTHING, STEERED, MATA(alpha=0.7, layers=[1, 2], heads=[1, 2], formula="absolute")]
each_setting = pytest.mark.parametrize("mata", SETTINGS, ids=["baseline", "multiply", "absolute"])


def observed(subject: Subject, mata: MATA, observer: Any, **options: Any) -> Attachment:
    """Attach with an observer: a function of each observation, such as a list's ``append``."""
    located = locate(subject.model)
    gains = gain_tensor(mata, layers=located.depth, heads=located.heads)
    return Attachment(located, [KeyGains(gains, mata.formula)], observer=observer, **options)


def reference_attention(
    subject: Subject, inputs: dict[str, Tensor], mata: MATA, new_tokens: int, **more: Any
) -> tuple[tuple[Tensor, ...], ...]:
    """Weights by step and layer of a float64 model that builds every score matrix."""
    twin = double(subject.model)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    later = torch.ones(ids.shape[0], new_tokens, dtype=torch.bool)
    real = torch.cat([mask.bool(), later], 1)
    audio = torch.cat([(ids == subject.audio_token_id) & mask.bool(), ~later], 1)
    active = real & (real.cumsum(1) >= mask.sum(1, keepdim=True))
    layers = [] if mata.alpha == 0 else mata.layers
    steering = Steering(layers, mata.alpha, mata.formula, mata.heads)
    masks = {"active": active, "keys": audio, "real": real}
    with full_score_attention(twin, steering, **masks, cached=True):
        options = greedy(subject, max_new_tokens=new_tokens, output_attentions=True, **more)
        return twin.generate(**inputs, **options).attentions


@each_setting
def test_weights_are_those_of_the_full_scores(subject: Subject, mata: MATA) -> None:
    """A padded batch, prefill and decoding: one sample has two clips, and one has none."""
    inputs = subject.inputs(QUESTIONS)
    seen: list[Observation] = []
    with observed(subject, mata, seen.append):
        subject.model.generate(**inputs, **greedy(subject))
    expected = reference_attention(subject, inputs, mata, NEW_TOKENS)
    layers = len(expected[0])
    assert [o.layer for o in seen] == list(range(layers)) * NEW_TOKENS
    for place, observation in enumerate(seen):
        width = inputs["input_ids"].shape[1] + place // layers
        assert observation.weights.shape == observation.raw.shape == (3, 4, 1, width)
        assert observation.active.tolist() == [[True], [True], [False]]
        assert observation.first_slot == 0
        row = expected[place // layers][observation.layer][:2, :, -1]
        assert (observation.weights[:2, :, 0] - row).abs().max() < 1e-5
        audio = inputs["input_ids"] == subject.audio_token_id
        assert torch.equal(observation.audio[:, 0, 0, : audio.shape[1]] == 1, audio)


@each_setting
def test_right_padding_in_one_forward_pass(qwen2_audio: Subject, mata: MATA) -> None:
    """Each prompt ends in a different slot."""
    model, inputs = qwen2_audio.model, qwen2_audio.inputs(QUESTIONS[:2], side="right")
    lengths = prompt_tokens(inputs)
    seen: list[Observation] = []
    with torch.no_grad(), observed(qwen2_audio, mata, seen.append):
        model(**inputs)
    for sample, length in enumerate(lengths):
        alone = qwen2_audio.inputs(QUESTIONS[:2], side="right")
        alone = {name: value[sample : sample + 1, :length] for name, value in alone.items()}
        clips = [len(clips) for _, clips in QUESTIONS[:2]]
        own = slice(sum(clips[:sample]), sum(clips[: sample + 1]))
        for name in ("input_features", "feature_attention_mask"):
            alone[name] = inputs[name][own]
        expected = reference_attention(qwen2_audio, alone, mata, 1)[0]
        for observation in seen:
            got = observation.weights[sample, :, 0, :length]
            assert (got - expected[observation.layer][0, :, -1]).abs().max() < 1e-5


@pytest.mark.parametrize("backend", ["sdpa", "eager"])
def test_observing_changes_nothing(subject: Subject, backend: str) -> None:
    model, inputs = subject.model, subject.inputs(QUESTIONS)

    def logits() -> Tensor:
        return torch.stack(model.generate(**inputs, **greedy(subject)).logits)

    with using_backend(model, backend):
        plain = logits()
        for mata in SETTINGS:
            with mata(model):
                expected = logits()
            with observed(subject, mata, lambda observation: None):
                got = logits()
            if mata is not STEERED:
                assert torch.equal(got, expected)
                continue
            # Unobserved, "multiply" attends to scaled keys: equal up to rounding. Only eager
            # attention, which returns the weights too, rewrites the prompt's row in either case.
            if backend == "eager":
                assert torch.equal(got[0], expected[0])
            assert (got - expected).abs().max() <= 1e-6 * expected.abs().max()
        assert torch.equal(logits(), plain)


def test_the_receipt_is_of_what_was_changed(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    receipts = []
    for observer in (None, [].append):
        with observed(qwen2_audio, STEERED, observer) as attachment:
            qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
        attachment.check()
        receipts.append(attachment.receipt)
    unseen, seen = (vars(receipt) | vars(receipt.listening) for receipt in receipts)
    assert seen.pop("after") == pytest.approx(unseen.pop("after"), rel=1e-6)  # other kernels
    del seen["listening"], unseen["listening"]
    assert seen == unseen
    with observed(qwen2_audio, NOTHING, [].append) as attachment:
        qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
    attachment.check()
    receipt = attachment.receipt
    assert (receipt.layers, receipt.active_rows, receipt.negative_share) == ((), 0, None)


@pytest.mark.parametrize("mata", [NOTHING, STEERED], ids=["baseline", "multiply"])
def test_many_active_rows_are_shown_in_parts(
    qwen2_audio: Subject, mata: MATA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never more rows than are active: nothing of length x length, whole or in parts."""
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    length = prompt_tokens(inputs)[0] - 4
    shown = []
    for most in (2**23, 1):
        monkeypatch.setattr("mata_audio.steering.layer.MAX_SCORES", most)
        seen: list[Observation] = []
        with torch.no_grad(), observed(qwen2_audio, mata, seen.append, prompt_length=length):
            qwen2_audio.model(**inputs)
        of_layer = [o.weights for o in seen if o.layer == 2]
        assert [w.shape[2] for w in of_layer] == ([5] if most > 1 else [1] * 5)
        shown.append(torch.cat(of_layer, 2))
    torch.testing.assert_close(shown[0], shown[1], atol=1e-6, rtol=0)


def test_kinds_of_a_chat() -> None:
    tokenizer = models.tokenizer()
    config = models.omni_thinker_config()
    text = (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\n<|audio_bos|><|AUDIO|><|AUDIO|><|audio_eos|>What<|IMAGE|>?<|im_end|>\n"
        "<|im_start|>assistant\nA dog.<|im_end|>\n<|im_start|>tool\nx<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    header = {role: [SPECIAL] * (len(role) + 2) for role in ("system", "user", "assistant")}
    end = [SPECIAL] * 2
    expected = [
        *[SINK, *header["system"][1:], *[SYSTEM] * 9, *end],
        *[*header["user"], SPECIAL, AUDIO, AUDIO, SPECIAL, *[INSTRUCTION] * 4, IMAGE, INSTRUCTION],
        *end,
        *[*header["assistant"], *[GENERATED] * 6, *end],
        *[SPECIAL, *[INSTRUCTION] * 6, *end],  # other roles' names are unknown
        *header["assistant"],
    ]
    known = vocabulary(config, config.audio_token_id, tokenizer)
    assert token_kinds(ids, None, known).tolist() == [expected]
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    padded = token_kinds(ids, mask, known)[0].tolist()
    assert padded == [*[PADDING] * 3, SINK, *expected[4:]]
    plain = token_kinds(ids, None, vocabulary(config, config.audio_token_id))[0].tolist()
    assert {KINDS[kind] for kind in plain} == {"sink", "audio", "image", "instruction"}


def test_moments_in_any_batches() -> None:
    values = np.random.default_rng(0).normal(3, 2, (23, 2, 3))
    moments = Moments()
    for part in np.split(values, [1, 1, 9, 20]):
        moments.add(part)
    assert moments.count == 23
    np.testing.assert_allclose(moments.mean, values.mean(0))
    np.testing.assert_allclose(moments.spread, values.std(0, ddof=1))


def plainly(
    subject: Subject, prompt: tuple[str, list[float]], features: dict[str, Tensor], mata: MATA
) -> tuple[np.ndarray, np.ndarray, int]:
    """One item by itself, from full matrices: mass (layers, heads, kinds), tokens by kind, rows."""
    inputs = subject.inputs([prompt]) | features
    known = vocabulary(locate(subject.model).listener.config, subject.audio_token_id,
                       subject.processor.tokenizer)  # fmt: skip
    kinds = token_kinds(inputs["input_ids"], inputs["attention_mask"], known)[0]
    steps = reference_attention(subject, inputs, mata, 3, suppress_tokens=None)
    masses = []
    for step in steps:
        rows = torch.stack([layer[0, :, -1] for layer in step])
        own = torch.cat([kinds, torch.full((rows.shape[2] - len(kinds),), GENERATED)])
        masses.append(
            np.stack([rows[:, :, own == kind].sum(2).numpy() for kind in range(len(KINDS))], 2)
        )
    return np.mean(masses, 0), np.bincount(kinds, minlength=len(KINDS)), len(steps)


def test_profile_equals_items_one_by_one(subject: Subject) -> None:
    prompts = [QUESTIONS[0], QUESTIONS[1], ("Where?", [0.4])]
    together = subject.inputs(prompts[:2])
    alone = subject.inputs(prompts[2:])
    settings = [NamedSetting("multiply", STEERED)]
    tokenizer = subject.processor.tokenizer
    found = profile(subject.model, iter([together, alone]), tokenizer, settings, new_tokens=2)
    assert found.items == 3
    assert (found.layers, found.heads, found.kinds) == (4, 4, KINDS)
    assert list(found.attention) == ["baseline", "multiply"]
    clips = [slice(0, 1), slice(1, 3)]
    names = ("input_features", "feature_attention_mask")
    features = [{name: together[name][own] for name in names} for own in clips]
    features.append({name: alone[name] for name in names})
    for name, mata in [("baseline", NOTHING), ("multiply", STEERED)]:
        items = [plainly(subject, *one, mata) for one in zip(prompts, features, strict=True)]
        masses, tokens, rows = (np.array(part) for part in zip(*items, strict=True))
        own = found.attention[name]
        np.testing.assert_allclose(own.mean, masses.mean(0), atol=1e-5)
        np.testing.assert_allclose(own.spread, masses.std(0, ddof=1), atol=1e-5)
        np.testing.assert_allclose(own.mean.sum(2), 1, atol=1e-5)
        assert own.rows == rows.sum()
        np.testing.assert_allclose(found.tokens, tokens.mean(0))
        heard = (masses.mean(2)[:, :, AUDIO] / tokens[:, [AUDIO]]).mean(0)
        text = masses.mean(2)[:, :, [SYSTEM, INSTRUCTION]].sum(2)
        read = (text / tokens[:, [SYSTEM, INSTRUCTION]].sum(1)[:, None]).mean(0)
        np.testing.assert_allclose(own.imbalance, heard / read, rtol=1e-4)
    assert (found.attention["baseline"].mean != found.attention["multiply"].mean).any()
    assert found.attention["baseline"].setting is None
    assert found.attention["multiply"].setting["alpha"] == 0.7


def test_settings_share_a_prefill_where_nothing_is_padded(subject: Subject) -> None:
    """And each finds what it finds by itself."""
    lengths: list[int] = []
    hook = locate(subject.model).attentions[0].register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["hidden_states"].shape[1]),
        with_kwargs=True,
    )  # fmt: skip
    inputs = subject.inputs([QUESTIONS[0], QUESTIONS[0]])
    width = inputs["input_ids"].shape[1]
    tokenizer = subject.processor.tokenizer
    settings = [NamedSetting(str(place), mata) for place, mata in enumerate(SETTINGS)]
    try:
        together = profile(subject.model, [inputs], tokenizer, settings, new_tokens=2)
        assert [length for length in lengths if length > 1] == [width]
        alone = profile(subject.model, [inputs], tokenizer, new_tokens=2)
        lengths.clear()
        profile(subject.model, [subject.inputs(QUESTIONS[:2])], tokenizer, settings)
        assert len(lengths) == len(settings) + 1
    finally:
        hook.remove()
    baseline = together.attention["baseline"]
    for other in (alone.attention["baseline"], together.attention["0"]):
        np.testing.assert_allclose(baseline.mean, other.mean, atol=1e-6)
        np.testing.assert_allclose(baseline.negative_share, other.negative_share)
        assert baseline.rows == other.rows


def test_negative_share_is_the_receipts(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS[:2])
    mata = MATA(alpha=1e-9, layers=[1, 3], heads=[0, 2])
    with mata(subject.model) as applied:
        subject.model.generate(**inputs, max_new_tokens=1, do_sample=False)
    share = profile(subject.model, [inputs]).attention["baseline"].negative_share
    assert share.shape == (4, 4)
    expected = applied.receipt.negative_share
    assert share[np.ix_([1, 3], [0, 2])].mean() == pytest.approx(expected, abs=1e-9)


def test_imbalance_by_hand() -> None:
    """Two items; one layer, two heads; the third item has no text and does not count."""
    masses = np.zeros((3, 1, 2, len(KINDS)))
    masses[:, 0, :, AUDIO] = [[0.2, 0.4], [0.5, 0.7], [1, 1]]
    masses[:, 0, :, INSTRUCTION] = [[0.3, 0.5], [0.1, 0.1], [0, 0]]
    masses[:, 0, :, SYSTEM] = [[0.1, 0.1], [0.3, 0.1], [0, 0]]
    tokens = np.zeros((3, len(KINDS) + 1))
    tokens[:, [AUDIO, INSTRUCTION, SYSTEM, -1]] = [[10, 3, 2, 10], [20, 6, 4, 20], [5, 0, 0, 5]]
    rows = np.array([1.0, 2.0, 1.0])
    gathered = Gathered()
    below = np.array([[[1.0, 2.0]], [[20.0, 10.0]], [[4.0, 3.0]]])
    gathered.add(masses * rows[:, None, None, None], below, rows, tokens)
    own = gathered.attention(None)
    heard = (0.3 / 10 + 0.6 / 20) / 2
    read = (0.5 / 5 + 0.3 / 10) / 2
    assert own.imbalance.tolist() == pytest.approx([heard / read])
    assert own.negative_share.tolist() == [pytest.approx([25 / 55, 15 / 55])]
    assert own.rows == 4


def test_rows_after_an_answers_end_do_not_count(
    qwen2_audio: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample that has ended is fed padding while another goes on."""
    model, inputs = qwen2_audio.model, qwen2_audio.inputs(QUESTIONS[:2])
    new = model.generate(**inputs, max_new_tokens=4, min_new_tokens=4, do_sample=False)
    new = new[:, inputs["input_ids"].shape[1] :].tolist()
    assert new[0][0] not in new[1], "the samples must differ, or this test shows nothing"
    monkeypatch.setattr(model.generation_config, "eos_token_id", new[0][0])
    rows = profile(model, [inputs], new_tokens=3).attention["baseline"].rows
    assert rows == 1 + 4


def test_file_round_trip(qwen2_audio: Subject, tmp_path: Path) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    found = profile(qwen2_audio.model, [inputs], qwen2_audio.processor.tokenizer, STEERED)
    found = found.with_facts({"task": "none"})
    assert np.isnan(found.attention["MATA"].spread).all()  # a single item
    path = tmp_path / "profile.json"
    found.save(path)
    loaded = Profile.load(path)
    assert loaded.to_dict() == found.to_dict()
    assert (loaded.kinds, loaded.items, loaded.facts) == (KINDS, 1, {"task": "none"})
    np.testing.assert_array_equal(loaded.attention["MATA"].mean, found.attention["MATA"].mean)
    with pytest.raises(FileNotFoundError):
        Profile.load(tmp_path / "nothing.json")
    for content in ("", "[]", '{"format": 99}', '{"format": 1, "kinds": []}'):
        path.write_text(content)
        with pytest.raises(DataError, match="profile"):
            Profile.load(path)


def test_timeline_of_two_clips(subject: Subject) -> None:
    question, seconds = QUESTIONS[1]
    inputs = subject.inputs([(question, seconds)])
    found = timeline(subject.model, inputs, seconds, STEERED)
    heard = inputs["input_ids"][0] == subject.audio_token_id
    for name, mata in [("baseline", NOTHING), ("MATA", STEERED)]:
        layers = reference_attention(subject, inputs, mata, 1)[0]
        expected = torch.stack([layer[0, :, -1].mean(0)[heard] for layer in layers])
        np.testing.assert_allclose(found.weights[name], expected, atol=1e-5)
    counts = np.bincount(found.clips)
    assert counts.sum() == int(heard.sum())
    for clip, length in enumerate(seconds):
        own = found.clips == clip
        starts, ends = found.starts[own], found.ends[own]
        assert (starts[0], ends[-1]) == (0, pytest.approx(length))
        np.testing.assert_allclose(starts[1:], ends[:-1])
        np.testing.assert_allclose(ends - starts, length / counts[clip])
    assert len(found.to_dict()["weights"]["MATA"]) == 4


def test_wrong_input(qwen2_audio: Subject) -> None:
    model, inputs = qwen2_audio.model, qwen2_audio.inputs(QUESTIONS[:1])
    with pytest.raises(SettingsError, match="at least one batch"):
        profile(model, [])
    with pytest.raises(SettingsTypeError, match="input_ids"):
        profile(model, [{"input_features": inputs["input_features"]}])
    with pytest.raises(SettingsTypeError, match="got str"):
        profile(model, inputs)  # type: ignore[arg-type]
    with pytest.raises(NoAudioError, match="prompt 2 of batch 0"):
        profile(model, [qwen2_audio.inputs(QUESTIONS)])
    with pytest.raises(SettingsError, match="new_tokens"):
        profile(model, [inputs], new_tokens=-1)
    with pytest.raises(SettingsError, match="4 decoder layers"):
        profile(model, [inputs], settings=MATA(layers=[4]))
    with STEERED(model), pytest.raises(AlreadyAttachedError):
        profile(model, [inputs])
    with pytest.raises(SettingsError, match="batch of 2"):
        timeline(model, qwen2_audio.inputs(QUESTIONS[:2]), 1.0)
    with pytest.raises(SettingsError, match="1 clips"):
        timeline(model, inputs, [1.0, 2.0])
    with pytest.raises(SettingsError, match="above 0"):
        timeline(model, inputs, -1.0)
    with torch.no_grad():
        model(**inputs)  # nothing is left attached
    assert "generate" not in vars(model)
