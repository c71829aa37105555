"""``mata ask`` with its words in any order, and what is wrong before any weights are read."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from running import Mata, error_line

from mata_audio.cli.commands import ask
from mata_audio.cli.main import build_parser
from mata_audio.models import loading

QUESTION = "Which sound is this?"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    """A folder with three clips, in which nothing may load weights."""
    for name in ("b.wav", "two words.wav"):
        (tmp_path / name).write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "load_weights", None)


def understood(words: str) -> tuple[str, str | None, list[str]]:
    args = build_parser().parse_args(["ask", *shlex.split(words)])
    return (args.model, *ask.question_and_files(args.question, args.audio))


@pytest.mark.parametrize(
    "words",
    [
        f"tiny '{QUESTION}' --audio clip.wav b.wav",
        f"tiny '{QUESTION}' --audio clip.wav --audio b.wav",
        f"tiny --audio clip.wav b.wav '{QUESTION}'",
        f"tiny --audio clip.wav --audio b.wav '{QUESTION}'",
        f"tiny --audio clip.wav '{QUESTION}' --audio b.wav",
        f"tiny --audio '{QUESTION}' clip.wav b.wav",
        f"tiny --audio=clip.wav --audio=b.wav '{QUESTION}'",
        f"tiny --audio clip.wav b.wav --alpha 0.1 '{QUESTION}'",
        f"tiny --alpha 0.1 --audio clip.wav b.wav --no-compare '{QUESTION}'",
        f"--alpha 0.1 tiny --audio clip.wav b.wav --no-compare '{QUESTION}'",
        f"--audio clip.wav b.wav -- tiny '{QUESTION}'",
        f"--alpha 0.1 tiny '{QUESTION}' --audio clip.wav b.wav",
    ],
)
def test_every_order_is_understood(words: str) -> None:
    assert understood(words) == ("tiny", QUESTION, ["clip.wav", "b.wav"])


@pytest.mark.parametrize(
    "question",
    [
        "Transcribe",
        "Transcribe.",
        "Is it 3.5 s long",
        "Is it over 3.5",
        "a/b or c?",
        "What's in this.wav?",
    ],
)
def test_questions_behind_the_files(question: str) -> None:
    words = f"tiny --audio clip.wav {shlex.quote(question)}"
    assert understood(words) == ("tiny", question, ["clip.wav"])


@pytest.mark.parametrize("file", ["c.wav", "no such.WAV", "./c", "x/y", "c.m4a", "two words.wav"])
def test_files_are_no_questions(file: str) -> None:
    assert understood(f"tiny --audio clip.wav '{file}'") == ("tiny", None, ["clip.wav", file])


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / QUESTION).write_bytes((tmp_path / "clip.wav").read_bytes())
    words = f"tiny --audio clip.wav '{QUESTION}'"
    assert understood(words) == ("tiny", None, ["clip.wav", QUESTION])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("tiny --audio clip.wav", 2, "there is no QUESTION: give it in quotes before --audio"),
        ("tiny --audio clip.wav Which sound?", 2, "there is no QUESTION: give it in quotes"),
        ("tiny --audio 'What?'", 2, "--audio names no file"),
        ("tiny Q --audio", 2, "argument --audio: expected at least one argument"),
        ("tiny Which sound --audio clip.wav", 2, "arguments: sound: put a text of several words"),
        ("tiny Q --audio clip.wav --alpha 1 2", 2, "unrecognized arguments: 2 (see"),
        ("--audio clip.wav tiny Q", 2, "required: MODEL; --audio takes all words behind it, so gi"),
        ("tiny Q --adio clip.wav", 2, 'there is no option --adio (did you mean "--audio"?)'),
        ("tiny Q --audio clip.wav --aplha 1", 2, '--aplha 1 (did you mean "--alpha"?)'),
        ("tiny Q --audio clip.wav --aplha=1", 2, '--aplha=1 (did you mean "--alpha"?)'),
        ("tiny Q --audio clip.wav --long-audio cutt", 2, '(did you mean "cut"?)'),
        ("tiny Q --audio clip.wav --xylophone 1", 2, "arguments: --xylophone 1 (see mata ask"),
        ("tiny Q --audio clp.wav", 1, 'no such audio file: clp.wav (did you mean "clip.wav"?)'),
        ("tiny Q --audio clip.wav https://x.org/a.mp3", 1, "curl -L -o clip.mp3 https://x.org/a"),
        ("./nowhere Q --audio gone.wav", 1, "no such audio file: gone.wav"),  # before the model
        ("tinny Q --audio clip.wav", 1, '(did you mean "tiny"?)'),
        (
            "tiny Q --audio clip.wav --picture a.jpg",
            2,
            "a.jpg: its name must end with .png or .svg",
        ),
        ("tiny Q --audio clip.wav --picture a", 2, "a: its name must end with .png or .svg"),
        (
            "tiny Q --audio clip.wav --picture no/a.png",
            2,
            "--picture no/a.png: there is no folder /",
        ),
        ("tiny Q --audio clip.wav --picture .", 2, "--picture .: this is a folder; give a file"),
        ("tiny Q --audio clip.wav --json no/a.json", 2, "--json no/a.json: there is no folder /"),
        ("tiny Q --audio clip.wav --json .", 2, "--json .: this is a folder; give a file"),
        ("tiny --chat --audio clip.wav --json a.json", 2, "--json is for one question: leave out"),
        ("tiny --chat --audio clip.wav --picture a.png", 2, "--picture is for one question: leave"),
        ("tiny ' ' --chat --audio clip.wav", 2, "the question is empty"),
    ],
)
def test_what_is_refused(mata: Mata, words: str, code: int, said: str) -> None:
    outcome = mata("ask", *shlex.split(words))
    assert outcome.code == code
    assert said in error_line(outcome)


def test_no_picture_of_a_method_without_one_attention(mata: Mata) -> None:
    pytest.importorskip("matplotlib")
    method = ("--method", "contrast", "--no-compare")
    outcome = mata("ask", "tiny", "Q", "--audio", "clip.wav", "--picture", "a.png", *method)
    assert outcome.code == 2
    assert "no attention of Contrast can be drawn, as it compares" in error_line(outcome)


def test_no_picture_without_matplotlib(mata: Mata, without_matplotlib: None) -> None:
    outcome = mata("ask", "tiny", "Q", "--audio", "clip.wav", "--picture", "a.png")
    assert outcome.code == 1
    assert "pip install 'mata-audio[pictures]'" in error_line(outcome)


@pytest.mark.parametrize(
    ("words", "meant"),
    [("aks tiny", "ask"), ("evla", "eval"), ("xylophone", None), ("--versoin", "--version")],
)
def test_commands_and_their_options(mata: Mata, words: str, meant: str | None) -> None:
    outcome = mata(*words.split())
    assert outcome.code == 2
    if meant is None:
        assert "did you mean" not in error_line(outcome)
    else:
        assert f'(did you mean "{meant}"?)' in error_line(outcome)
