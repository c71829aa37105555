"""``mata ask --chat``: every question is answered as if it were the only one."""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import soundfile
from running import Mata, Outcome

import models
from mata_audio.asking import Asker
from mata_audio.cli.questions import Questions
from mata_audio.methods import MATA, Mass, Method
from mata_audio.models.finding import find_model
from mata_audio.models.loading import Loaded, load, load_weights
from mata_audio.settings.deciding import ChosenSetting
from mata_audio.tiny.benchmark import make_items

ITEM = make_items("test", 30)[23]
ASKED = ["Which sound is this?", "How many beeps do you hear?", "Which sound comes first?"]
Chat = Callable[..., Outcome]


@pytest.fixture(params=["tiny", "qwen2_audio", "omni_thinker"])
def loaded(request: pytest.FixtureRequest) -> Loaded:
    if request.param == "tiny":
        return load("tiny", device="cpu")
    if request.param == "qwen2_audio":
        return load(request.getfixturevalue("qwen2_audio_folder"), device="cpu")
    found = find_model(request.getfixturevalue("omni_thinker_folder"))
    return Loaded(load_weights(found), models.omni_processor(), found.name, found.family)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", ITEM.waveform(), 16_000)
    return tmp_path / "a.wav"


@pytest.fixture
def chat(mata: Mata, sound: Path, monkeypatch: pytest.MonkeyPatch) -> Chat:
    """``mata ask tiny --chat`` with lines on stdin, and further words."""

    def run(content: str | bytes, *words: str | Path) -> Outcome:
        data = content if isinstance(content, bytes) else content.encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        return mata("ask", "tiny", "--chat", "--audio", sound, *words)

    return run


def questions(loaded: Loaded, sound: Path, method: Method) -> Questions:
    asker = Asker(loaded)
    clip = asker.prompter.load_clip(sound)
    return Questions(asker, ["a.wav"], [clip], ChosenSetting(method, "ours"), True, 6)


def test_many_questions_are_answered_as_each_alone(loaded: Loaded, sound: Path) -> None:
    method = MATA(alpha=2.0, layers="1-2")
    many = questions(loaded, sound, method)
    likely = set()
    for question in (*ASKED, ASKED[0]):
        alone = questions(loaded, sound, method)
        for found, expected in zip(
            many.ask(question).answers, alone.ask(question).answers, strict=True
        ):
            inputs = alone.asker.prompter.inputs([question], [[alone.clips[0].samples]])
            if expected.name == "baseline":
                tokens, text = models.generated(loaded, inputs, 6)
            else:
                with method(loaded.model):
                    tokens, text = models.generated(loaded, inputs, 6)
            assert found.tokens == expected.tokens == tuple(tokens[: len(expected.tokens)])
            assert found.text == text
            assert [own.text for own in found.first_words] == [
                own.text for own in expected.first_words
            ]
            values = [own.probability for own in found.first_words]
            assert values == pytest.approx(
                [own.probability for own in expected.first_words], abs=1e-5
            )
            likely.add(tuple(values))
    assert len(likely) == 2 * len(ASKED)  # questions and settings differ, and the last is a repeat
    kept = many.asker.kept
    audio_first = many.asker.prompter.style.audio_first
    assert audio_first == (loaded.name != "tiny")
    assert (kept.read, kept.continued) == ((1, 2) if audio_first else (3, 0))


def test_another_setting_goes_on_from_the_kept_prompt(loaded: Loaded, sound: Path) -> None:
    many = questions(loaded, sound, MATA(alpha=2.0, layers="1-2"))
    many.ask(ASKED[0])
    many.change("alpha=-1 layers=2-3")
    found = many.ask(ASKED[0]).answers
    expected = questions(loaded, sound, MATA(alpha=-1.0, layers="2-3")).ask(ASKED[0]).answers
    assert found[1].layers == (2, 3)
    for own, other in zip(found, expected, strict=True):
        assert own.tokens == other.tokens
        assert [word.probability for word in own.first_words] == pytest.approx(
            [word.probability for word in other.first_words], abs=1e-5
        )
    assert many.asker.kept.read == 1
    many.change("method=mass alpha=1")
    assert many.setting.method == Mass(alpha=1)
    many.change("paper")
    assert many.setting.method == MATA()


def block(text: str, question: str) -> str:
    """What is said about one question, from its answers to the attention."""
    after = text.split(f"question   {question}\n\n", 1)[1]
    return after.split("\n\nMATA receipt")[0].split("\n\nquestion ")[0].strip()


def test_the_text_is_that_of_single_runs(mata: Mata, chat: Chat, sound: Path) -> None:
    setting = ("--alpha", "2", "--layers", "3-7")
    outcome = chat("\n".join(ASKED[1:]), *setting, ASKED[0])  # the first is in the command
    assert outcome.code == 0
    assert outcome.out.count("\nquestion ") == 3
    assert outcome.out.count("\naudio ") == 1
    assert "? " not in outcome.out.replace("\n", " ").split("question", 1)[0]  # no sign in a pipe
    for question in ASKED:
        alone = mata("ask", "tiny", question, "--audio", sound, *setting)
        assert block(outcome.out, question) == block(alone.out, question)
    assert len({block(outcome.out, question) for question in ASKED}) == 3


def test_a_wrong_question_is_said_and_the_next_one_answered(chat: Chat) -> None:
    wrong = ["What is <|AUDIO|>?", "/set aplha=1", "/set alpha=no", "/set layers=40", "/sett"]
    outcome = chat("\n".join([*wrong, "/set alpha", *ASKED]))
    assert outcome.code == 0
    errors = [line for line in outcome.err.splitlines() if line.startswith("mata: error: ")]
    for said, line in zip(
        (
            "must not contain the model's audio token <|AUDIO|>",
            "'aplha' (did you mean \"alpha\"?)",
            "alpha must be a number",
            "layers 40 out of range: this model has 12",
            'no command /sett (did you mean "/set"?); there are /set and /help',
            "cannot read 'alpha' in 'alpha'",
        ),
        errors,
        strict=True,
    ):
        assert said in line
    assert outcome.out.count("\nquestion ") == len(ASKED)


def test_the_setting_changes_and_stays(mata: Mata, chat: Chat, sound: Path) -> None:
    lines = ["/set alpha=-1 layers=2-5", ASKED[0], "/set alpha=2", ASKED[1], "/set", "/help"]
    outcome = chat("\n".join(lines))
    assert outcome.code == 0
    assert outcome.out.count("multiply, alpha -1, layers 2-5 of 0-11") == 1
    assert outcome.out.count("multiply, alpha 2, layers 2-5 of 0-11") == 2
    assert "/set paper" in outcome.out
    for question, alpha in zip(ASKED, ("-1", "2"), strict=False):
        setting = ("--alpha", alpha, "--layers", "2-5")
        alone = mata("ask", "tiny", question, "--audio", sound, *setting)
        own = block(outcome.out, question).split("\n\nsetting ")[0].split("\nsetting ")[0]
        assert own.strip() == block(alone.out, question)


@pytest.mark.parametrize("content", ["", "\n", "  \nWhich sound is this?\n"])
def test_nothing_or_an_empty_line_ends_it(chat: Chat, content: str) -> None:
    outcome = chat(content)
    assert outcome.code == 0
    assert outcome.out.startswith("model      tiny")
    assert "question" not in outcome.out


def test_what_is_no_text_does_not_stop_it(chat: Chat) -> None:
    outcome = chat(b"Which \xff sound is this?\nWhich sound is this?\n")
    assert outcome.code == 0
    assert outcome.out.count("\nquestion ") == 2
    assert "\ufffd" in outcome.out


def test_only_the_setting_is_asked_if_nothing_is_compared(chat: Chat) -> None:
    outcome = chat(ASKED[0], "--no-compare")
    assert outcome.code == 0
    assert "baseline" not in outcome.out


@pytest.fixture
def on_a_terminal(sound: Path) -> Callable[[list[tuple[str, bytes]]], Outcome]:
    """Run it on a terminal: after each text that it shows, send some keys."""
    pty = pytest.importorskip("pty", reason="this system has no such terminals")

    def run(steps: list[tuple[str, bytes]]) -> Outcome:
        ours, theirs = pty.openpty()
        code = "import sys; from mata_audio.cli.main import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", code, "ask", "tiny", "--chat", "--audio", str(sound)]
        process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=partial(_own_terminal, theirs), env={**os.environ, "TERM": "dumb"},
        )  # fmt: skip
        os.close(theirs)
        shown, sent = b"", b""
        try:
            until = time.monotonic() + 90
            while time.monotonic() < until:
                if steps and shown.endswith(steps[0][0].encode()):
                    sent = steps.pop(0)[1]
                    os.write(ours, sent)
                if select.select([ours], [], [], 10)[0]:
                    try:
                        shown += os.read(ours, 4096)
                    except OSError:  # the other side is closed
                        break
                elif not steps:  # a key may come just before Python waits for one
                    os.write(ours, sent)
            return Outcome(process.wait(timeout=10), shown.decode(), "")
        finally:
            process.kill()
            os.close(ours)

    return run


def _own_terminal(terminal: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_on_a_terminal(
    on_a_terminal: Callable[[list[tuple[str, bytes]]], Outcome], key: bytes
) -> None:
    outcome = on_a_terminal([("? ", f"{ASKED[0]}\n".encode()), ("\n? ", key)])
    assert outcome.code == 0
    assert "An empty line or Ctrl-D ends" in outcome.out
    assert outcome.out.count("\nquestion ") == 1
    assert "Traceback" not in outcome.out
    assert "interrupted" not in outcome.out
