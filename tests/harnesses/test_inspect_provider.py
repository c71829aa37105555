"""The provider ``mata/...`` of inspect_ai, against the model as it answers by itself."""

from __future__ import annotations

import asyncio
import base64
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from mata_audio import AudioError, NoAudioError, SettingsError
from mata_audio.methods import Method
from mata_audio.models.finding import find_model
from mata_audio.models.loading import Loaded, load, load_processor
from mata_audio.tiny import MODEL_PATH
from serving.accounts import assert_account
from serving.test_request import encoded

pytest.importorskip("inspect_ai", reason="needs inspect_ai: make test-extras")

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ContentAudio,
    ContentImage,
    ContentText,
    ContentVideo,
    GenerateConfig,
    Model,
    ModelOutput,
    get_model,
)
from inspect_ai.tool import ToolCall, ToolInfo

from mata_audio.harnesses.arguments import read_arguments

SETTINGS: list[dict[str, Any]] = [
    {},
    {"alpha": -8, "layers": "0-11", "formula": "add"},
    {"alpha": 4, "layers": "0-11", "formula": "add"},
    {"alpha": 0.5, "layers": "3-7"},
    {"method": "mass", "alpha": 1.0},
    {"method": "contrast"},
    {"method": "pai"},
]
QUESTION = "Which sound is this? (A) dog (B) cat"


def audio(content: str, kind: str = "wav") -> ContentAudio:
    return ContentAudio(audio=f"data:audio/{kind};base64,{content}", format=kind)


def asked(*clips: ContentAudio, text: str = QUESTION) -> list[ChatMessage]:
    return [ChatMessageUser(content=[ContentText(text=text), *clips])]


def model(**arguments: Any) -> Model:
    return get_model("mata/tiny", **arguments)


def answer(own: Model, messages: list[ChatMessage], **config: Any) -> ModelOutput:
    return asyncio.run(own.generate(messages, config=GenerateConfig(**config)))


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load("tiny")


def samples(part: ContentAudio) -> Any:
    """The samples of a clip at 16 kHz, decoded by libsndfile."""
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(part.audio.partition(",")[2])))
    assert rate == 16_000
    return sound.astype("float32")


def expected(
    loaded: Loaded, messages: list[ChatMessage], method: Method | None, **how: Any
) -> tuple[Any, Any, int]:
    """What ``generate`` returns in a plain block, its receipt, and the prompt's length."""
    plain = [
        {
            "role": message.role,
            "content": [
                {"type": "audio", "audio": samples(part)}
                if isinstance(part, ContentAudio)
                else {"type": "text", "text": part if isinstance(part, str) else part.text}
                for part in (
                    [message.content] if isinstance(message.content, str) else message.content
                )
            ],
        }
        for message in messages
    ]
    template = loaded.processor.apply_chat_template
    put = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
    inputs = template(plain, add_generation_prompt=True, **put)
    given = {**inputs, "do_sample": False, "max_new_tokens": 2048, **how}
    if method is None:
        output, receipt = loaded.model.generate(**given), None
    else:
        with method(loaded.model, tokenizer=loaded.processor.tokenizer) as applied:
            output = loaded.model.generate(**given)
        receipt = applied.receipt
    return output, receipt, inputs["input_ids"].shape[1]


def text_of(loaded: Loaded, output: Any, start: int) -> str:
    text: str = loaded.processor.tokenizer.decode(output[0, start:], skip_special_tokens=True)
    return text


CONVERSATIONS: dict[str, list[ChatMessage]] = {
    "wav": asked(audio(encoded())),
    "mp3": asked(audio(encoded("MP3"), "mp3")),
    "two clips": asked(audio(encoded()), audio(encoded(seconds=2))),
    "several turns": [
        ChatMessageSystem(content="Be brief."),
        *asked(audio(encoded())),
        ChatMessageAssistant(content="dog"),
        ChatMessageUser(content=[audio(encoded(seconds=1.5)), ContentText(text="And this?")]),
    ],
}


@pytest.mark.parametrize("arguments", SETTINGS, ids=str)
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_an_answer_is_that_of_the_model(
    loaded: Loaded, name: str, arguments: dict[str, Any]
) -> None:
    messages = CONVERSATIONS[name]
    output, receipt, start = expected(loaded, messages, read_arguments(arguments).method)
    found = answer(model(**arguments), messages)
    assert found.completion == text_of(loaded, output, start)
    assert found.usage is not None
    assert found.usage.input_tokens == start
    assert found.usage.output_tokens == output.shape[1] - start
    assert found.metadata is not None
    facts = found.metadata["mata"]
    clips = [
        part for message in messages for part in message.content if isinstance(part, ContentAudio)
    ]
    assert facts["seconds_heard"] == pytest.approx([len(samples(own)) / 16_000 for own in clips])
    if receipt is None:
        assert facts["off"] is True
        return
    assert_account(facts, receipt)


def test_the_settings_here_answer_differently(loaded: Loaded) -> None:
    """Else the tests above would not see a setting that is ignored."""
    for messages in CONVERSATIONS.values():
        texts = []
        for arguments in SETTINGS[:2]:
            output, _, start = expected(loaded, messages, read_arguments(arguments).method)
            texts.append(text_of(loaded, output, start))
        assert texts[0] != texts[1]


def test_many_at_once_each_under_their_own_setting(loaded: Loaded) -> None:
    names = list(CONVERSATIONS)
    pairs = [(names[n % 4], SETTINGS[n % len(SETTINGS)]) for n in range(48)]

    async def all_at_once() -> list[ModelOutput]:
        calls = [model(**arguments).generate(CONVERSATIONS[name]) for name, arguments in pairs]
        return await asyncio.gather(*calls)

    for (name, arguments), found in zip(pairs, asyncio.run(all_at_once()), strict=True):
        method = read_arguments(arguments).method
        output, _, start = expected(loaded, CONVERSATIONS[name], method)
        assert found.completion == text_of(loaded, output, start)


def test_why_an_answer_ends(loaded: Loaded) -> None:
    messages = CONVERSATIONS["wav"]
    whole = answer(model(), messages)
    assert whole.stop_reason == "stop"
    assert whole.usage is not None
    cut = answer(model(), messages, max_tokens=1)
    assert (cut.stop_reason, cut.usage and cut.usage.output_tokens) == ("max_tokens", 1)
    word = whole.completion
    assert len(word) > 2
    stopped = answer(model(), messages, stop_seqs=[word[1:]])
    assert (stopped.completion, stopped.stop_reason) == (word[:1], "stop")
    other = answer(model(), messages, stop_seqs=["not in it"])
    assert other.completion == word


@pytest.mark.parametrize("arguments", SETTINGS[:2], ids=str)
def test_log_probabilities(loaded: Loaded, arguments: dict[str, Any]) -> None:
    """They are those of one pass over the prompt and the answer."""
    messages = CONVERSATIONS["wav"]
    method = read_arguments(arguments).method
    found = answer(model(**arguments), messages, logprobs=True, top_logprobs=3)
    output, _, start = expected(
        loaded, messages, method, return_dict_in_generate=True, output_scores=True
    )
    new = output.sequences[0, start:]
    assert found.choices[0].logprobs is not None
    told = found.choices[0].logprobs.content
    assert len(told) == len(new)
    for own, token, scores in zip(told, new, output.scores, strict=True):
        logs = scores[0].double().softmax(-1).log()
        assert own.logprob == pytest.approx(float(logs[token]), abs=1e-4)
        assert own.token == loaded.processor.tokenizer.decode([int(token)])
        best = [top.logprob for top in own.top_logprobs or ()]
        assert best == pytest.approx(logs.sort(descending=True).values[:3].tolist(), abs=1e-4)
    assert answer(model(**arguments), messages).choices[0].logprobs is None


def test_sampling_is_as_asked_and_repeatable(loaded: Loaded) -> None:
    messages = CONVERSATIONS["wav"]
    state = torch.get_rng_state()
    texts = set()
    for seed in range(6):
        how = {"temperature": 3.0, "top_k": 20, "top_p": 0.9, "seed": seed}
        found = answer(model(), messages, **how, max_tokens=8).completion
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            given = {"do_sample": True, "temperature": 3.0, "top_k": 20, "top_p": 0.9}
            output, _, start = expected(loaded, messages, None, **given, max_new_tokens=8)
        assert found == text_of(loaded, output, start)
        texts.add(found)
    assert len(texts) > 1
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_choices": 2}, "does not support num_choices=2"),
        ({"frequency_penalty": 0.5}, "does not support frequency_penalty"),
        ({"presence_penalty": 0.5}, "does not support presence_penalty"),
        ({"logit_bias": {3: 1.0}}, "does not support logit_bias"),
        ({"reasoning_effort": "low"}, "does not support reasoning_effort"),
        ({"best_of": 3}, "does not support best_of"),
        ({"prompt_logprobs": 1}, "does not support prompt_logprobs"),
        ({"extra_body": {"a": 1}}, "does not support extra_body"),
        ({"top_p": 0.5}, "top_p=0.5 asks for sampling"),
        ({"top_k": 5, "temperature": 0}, "top_k=5 asks for sampling"),
        ({"temperature": -1.0}, "temperature must be 0 or more"),
        ({"max_tokens": 0}, "max_tokens must be 1 or more"),
        ({"top_logprobs": 2}, "needs logprobs=true"),
        ({"temperature": 1.0, "top_p": 7.0}, "top_p must be"),
        ({"temperature": 1.0, "top_k": 0}, "top_k must be"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        answer(model(), CONVERSATIONS["wav"], **config)


def test_an_option_that_changes_nothing_is_taken() -> None:
    plain = answer(model(), CONVERSATIONS["wav"]).completion
    how = {"num_choices": 1, "frequency_penalty": 0.0, "top_p": 1.0, "seed": 3, "timeout": 60}
    assert answer(model(), CONVERSATIONS["wav"], **how).completion == plain


AUDIO_TOKEN = load_processor(find_model("tiny")).audio_token
VIDEO = ContentVideo(video="data:video/mp4;base64,AA", format="mp4")
CALL = ToolCall(id="1", function="f", arguments={})


@pytest.mark.parametrize(
    ("messages", "error", "message"),
    [
        ([ChatMessageTool(content="3", tool_call_id="1")], SettingsError, "no tools"),
        ([ChatMessageAssistant(content="", tool_calls=[CALL])], SettingsError, "no tools"),
        (
            [ChatMessageUser(content=[ContentImage(image="data:image/png;base64,AA")])],
            SettingsError,
            "neither text nor audio",
        ),
        (
            [
                ChatMessageUser(
                    content=[ContentVideo(video="data:video/mp4;base64,AA", format="mp4")]
                )
            ],
            SettingsError,
            "neither text nor audio",
        ),
        (asked(audio("AAAA")), AudioError, "cannot be decoded as audio"),
        (asked(audio(encoded()), text=f"What is {AUDIO_TOKEN}?"), SettingsError, "audio token"),
        (asked(audio(encoded(seconds=0.01))), AudioError, "too short"),
    ],
)
def test_what_it_cannot_take_is_refused(
    messages: list[ChatMessage], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        answer(model(), messages)


def test_tools_are_refused() -> None:
    tool = ToolInfo(name="f", description="A tool.")
    with pytest.raises(SettingsError, match="no tools"):
        asyncio.run(model().generate(CONVERSATIONS["wav"], tools=[tool]))


def test_a_steered_model_without_audio() -> None:
    messages: list[ChatMessage] = [ChatMessageUser(content="No clip.")]
    with pytest.raises(NoAudioError):
        answer(model(alpha=1.0), messages)
    ignoring = answer(model(alpha=1.0, on_no_audio="ignore"), messages)
    assert ignoring.completion == answer(model(), messages).completion


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": "strong"}, "alpha must be a number"),
        ({"strength": 1}, "no argument is called 'strength'"),
        ({"device": "nowhere"}, "device 'nowhere' cannot be used"),
        ({"base_url": "http://127.0.0.1"}, "asks no server"),
        ({"config": GenerateConfig(num_choices=2)}, "num_choices"),
    ],
)
def test_a_wrong_argument_is_told_before_a_model_is_looked_for(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        get_model("mata/no/such/model", **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"layers": "10-99"}, "numbered 0-11"), ({"method": "vcd"}, "second prompt")],
)
def test_a_setting_that_does_not_fit_is_told_before_weights_are_read(
    arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(MODEL_PATH, tmp_path / "model"))
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    with pytest.raises(SettingsError, match=message):
        answer(get_model(f"mata/{folder}", **arguments), CONVERSATIONS["wav"])


def test_the_cache_tells_settings_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: Loaded
) -> None:
    """inspect_ai's cache knows nothing of a model's arguments."""
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "cache"))
    file = tmp_path / "setting.json"
    strong: dict[str, Any] = SETTINGS[1]
    messages = CONVERSATIONS["several turns"]

    def ask(**arguments: Any) -> ModelOutput:
        own = get_model("mata/tiny", memoize=False, **arguments)
        return asyncio.run(own.generate(messages, cache=True))

    def is_new() -> bool:
        nonlocal known
        before, known = known, sum(path.is_file() for path in (tmp_path / "cache").rglob("*"))
        return known > before

    known = 0
    for arguments in ({}, strong, SETTINGS[2], SETTINGS[3]):
        first = ask(**arguments)
        assert is_new()
        assert ask(**arguments).completion == first.completion
        assert not is_new()
    read_arguments({"alpha": 0.3}).method.save(file)  # type: ignore[union-attr]
    ask(settings=str(file))
    assert is_new()
    read_arguments({"alpha": 0.4}).method.save(file)  # type: ignore[union-attr]
    ask(settings=str(file))
    assert is_new()
    ask(alpha=0.4)  # the same setting, in words
    assert not is_new()


def test_long_audio_is_cut_or_refused() -> None:
    long = asked(audio(encoded(seconds=3)))
    heard = answer(model(), long).metadata
    assert heard is not None
    assert heard["mata"]["seconds_heard"] == [2.0]
    with pytest.raises(AudioError, match="too long"):
        answer(model(long_audio="fail"), long)
