"""An asker's answers, first words and attention are those of ordinary runs."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch

from mata_audio import MATA, SettingsError
from mata_audio.asking import Answer, Asker, Heard, Word, hearing
from mata_audio.errors import NoAudioError
from mata_audio.methods import METHODS, Mass, Method
from mata_audio.models.audio import Decoded
from mata_audio.models.loading import Loaded, load
from mata_audio.models.one_prefill import greedy
from mata_audio.models.other_audio import other_inputs
from mata_audio.models.prompter import Prompter
from mata_audio.profiling import timeline
from mata_audio.settings.named import NamedSetting
from mata_audio.tiny.benchmark import make_items
from mata_audio.tiny.signals import SAMPLE_RATE

BASELINE = NamedSetting("baseline", None)
STRONG = MATA(alpha=2.0, layers="3-7")
ITEM = make_items("test", 30)[23]
QUESTION = ITEM.question


def clip(samples: Any) -> Decoded:
    seconds = len(samples) / SAMPLE_RATE
    return Decoded(np.asarray(samples, np.float32), seconds, seconds, "")


CLIP = clip(ITEM.waveform())


@pytest.fixture(scope="module")
def tiny() -> Loaded:
    return load("tiny", device="cpu")


@pytest.fixture(scope="module")
def qwen(qwen2_audio_folder: Any) -> Loaded:
    return load(qwen2_audio_folder, device="cpu")


@pytest.fixture(params=["tiny", "qwen"])
def loaded(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def fresh(loaded: Loaded, method: Method | None, tokens: int) -> tuple[list[int], torch.Tensor]:
    """The answer of an ordinary ``generate``, and the probabilities of its first token."""
    prompter, model = Prompter.of(loaded), loaded.model
    inputs = prompter.inputs([QUESTION], [[CLIP.samples]])
    config = greedy(model, loaded.processor.tokenizer, tokens)
    block: Any = nullcontext()
    if method is not None:
        named = method.rule().others
        others = {name: other_inputs(name, prompter, QUESTION, [CLIP.samples], 0) for name in named}
        block = method(model, tokenizer=loaded.processor.tokenizer, others=others)
    with torch.no_grad(), block:
        output = model.generate(
            **inputs, generation_config=config, output_scores=True, return_dict_in_generate=True
        )
    new = output.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    ends = config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    return [token for token in new if token not in ends], output.scores[0][0].softmax(0)


LOOKING_OR_COMPARING = ("aad", "vcd", "adaptvis", "pai")
METHODS_TRIED = [None, STRONG, Mass(alpha=1.0, layers="3-7"), MATA(alpha=1.0, rows="all")]
METHODS_TRIED += [
    cls() for name, cls in METHODS.items() if name in ("aad", "vcd", "adapt_vis", "pai")
]


@pytest.mark.parametrize("method", METHODS_TRIED, ids=lambda own: getattr(own, "title", "baseline"))
def test_answers_and_first_words_are_those_of_generate(
    loaded: Loaded, method: Method | None
) -> None:
    if method in (STRONG, METHODS_TRIED[2]) and loaded.name != "tiny":
        method = MATA(alpha=2.0, layers="1-2")
    asker = Asker(loaded)
    prompt = asker.prompt(QUESTION, [CLIP])
    setting = BASELINE if method is None else NamedSetting("steered", method)
    expected, likely = fresh(loaded, method, 6)
    for _ in range(2):
        answer = asker.answer(prompt, setting, max_new_tokens=6)
        assert list(answer.tokens) == expected
        found = [own.probability for own in answer.first_words]
        assert found == pytest.approx(likely.topk(5).values.tolist(), abs=1e-5)
        top = int(likely.argmax())
        assert answer.first_words[0].text == loaded.processor.tokenizer.decode([top])
        assert "".join(word.text for word in answer.words).strip() == answer.text
        assert (answer.receipt is None) == (method is None)
        assert (answer.heard is None) == bool(answer.why_not)


def test_settings_change_what_is_likely(tiny: Loaded) -> None:
    """Else the test above proves nothing."""
    asker = Asker(tiny)
    prompt = asker.prompt(QUESTION, [CLIP])
    settings = [BASELINE] + [NamedSetting("x", own) for own in METHODS_TRIED if own]
    likely = [asker.answer(prompt, own).first_words for own in settings]
    assert len({tuple(own) for own in likely}) == len(settings)
    assert asker.kept.read == 1


def test_attention_is_the_timeline_and_the_mass_the_receipts(tiny: Loaded) -> None:
    asker = Asker(tiny)
    prompt = asker.prompt(QUESTION, [CLIP])
    settings = [NamedSetting("MATA", STRONG)]
    expected = timeline(tiny.model, dict(prompt.inputs), CLIP.seconds, settings)
    for setting in (BASELINE, *settings):
        answer = asker.answer(prompt, setting)
        heard = answer.heard
        assert heard is not None
        assert heard.starts == pytest.approx(expected.starts)
        assert heard.ends == pytest.approx(expected.ends)
        own = heard.weights[0].mean(axis=1)
        assert np.abs(own - expected.weights[setting.name]).max() < 1e-5
        if answer.receipt is not None:
            mass = heard.by_head(Word("", 0, 0))[list(answer.layers)].mean()
            assert mass == pytest.approx(answer.receipt.mass_after, abs=1e-5)
            assert answer.layers == (3, 4, 5, 6, 7)


def test_means_are_those_of_plain_loops() -> None:
    random = np.random.default_rng(0)
    weights = random.random((3, 4, 2, 5)).astype(np.float32)
    clips = np.array([0, 0, 1, 1, 1])
    heard = Heard(clips, np.zeros(5), np.ones(5), weights)
    word = Word("x", 1, 2)
    along = heard.along_time(word, layers=[0, 3], heads=[1])
    for step in range(5):
        values = [float(weights[t, la, 1, step]) for t in (1, 2) for la in (0, 3)]
        assert along[step] == pytest.approx(sum(values) / 4)
    by_head = heard.by_head(word, clip=1)
    for layer in range(4):
        for head in range(2):
            values = [sum(float(weights[t, layer, head, s]) for s in (2, 3, 4)) for t in (1, 2)]
            assert by_head[layer, head] == pytest.approx(sum(values) / 2)
    assert heard.along_time().sum() == pytest.approx(heard.by_head().mean())


def test_many_tokens_become_few_steps(tiny: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their shares are added up, and nothing of the clip is left out."""
    asker = Asker(tiny)
    prompt = asker.prompt(QUESTION, [CLIP])
    whole = asker.answer(prompt, BASELINE).heard
    assert whole is not None
    monkeypatch.setattr(hearing, "MOST_STEPS", 5)
    few = asker.answer(prompt, BASELINE).heard
    assert few is not None
    together = -(-len(whole.starts) // 5)
    firsts = range(0, len(whole.starts), together)
    assert few.starts == pytest.approx(whole.starts[list(firsts)])
    assert few.ends[-1] == whole.ends[-1]
    for step, first in enumerate(firsts):
        expected = whole.weights[..., first : first + together].sum(axis=3)
        assert np.abs(few.weights[..., step] - expected).max() < 1e-6


def test_two_clips_keep_their_own_time(qwen: Loaded) -> None:
    asker = Asker(qwen)
    second = clip(np.random.default_rng(1).normal(size=8_000) / 10)
    prompt = asker.prompt("Which one?", [CLIP, second])
    heard = asker.answer(prompt, BASELINE, max_new_tokens=3).heard
    assert heard is not None
    assert set(heard.clips) == {0, 1}
    for number, own in enumerate((CLIP, second)):
        assert heard.starts[heard.clips == number][0] == 0
        assert heard.ends[heard.clips == number][-1] == pytest.approx(own.seconds)
    split = sum(heard.by_head(clip=number) for number in (0, 1))
    assert split == pytest.approx(heard.by_head())


def test_other_questions_about_the_clip_go_on_where_the_sound_comes_first(qwen: Loaded) -> None:
    asker = Asker(qwen)
    answers = []
    for question in ("What is this?", "Who speaks, and where?"):
        prompt = asker.prompt(question, [CLIP])
        answers.append(asker.answer(prompt, BASELINE, max_new_tokens=4))
        alone = Asker(qwen).answer(prompt, BASELINE, max_new_tokens=4)
        assert answers[-1].tokens == alone.tokens
        likely = [own.probability for own in alone.first_words]
        assert [own.probability for own in answers[-1].first_words] == pytest.approx(
            likely, abs=1e-5
        )
    assert (asker.kept.read, asker.kept.continued) == (1, 1)


def test_an_error_leaves_the_asker_working(tiny: Loaded) -> None:
    asker = Asker(tiny)
    with pytest.raises(SettingsError, match="empty"):
        asker.prompt("  ", [CLIP])
    prompt = asker.prompt(QUESTION, [CLIP])
    with pytest.raises(SettingsError, match="layer"):
        asker.answer(prompt, NamedSetting("deep", MATA(alpha=1, layers=[40])))
    inputs = Prompter.of(tiny).inputs([QUESTION], [[]])
    with pytest.raises(NoAudioError):
        asker.answer(asker.prompt_of(QUESTION, [], inputs), NamedSetting("x", STRONG))
    answer: Answer = asker.answer(prompt, BASELINE)
    assert list(answer.tokens) == fresh(tiny, None, 6)[0]


def test_audio_tokens_that_fit_no_clips_cost_only_the_attention(tiny: Loaded) -> None:
    asker = Asker(tiny)
    inputs = asker.prompter.inputs([QUESTION], [[CLIP.samples, CLIP.samples]])
    odd = asker.prompt_of(QUESTION, [CLIP], inputs)
    fitting = asker.prompt_of(QUESTION, [CLIP, CLIP], inputs)
    for setting in (BASELINE, NamedSetting("MATA", STRONG)):
        answer, expected = asker.answer(odd, setting), asker.answer(fitting, setting)
        assert answer.tokens == expected.tokens
        assert answer.heard is None
        assert "each of the prompt's 2 clips" in answer.why_not
        assert expected.heard is not None
