"""The prompts of the published inference scripts, word for word, and the user's own templates."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mata_audio import errors
from mata_audio.evaluation.task import Task
from mata_audio.evaluation.templates.template import (
    CHOICE_STYLES,
    MODEL_DEFAULTS,
    TEMPLATES,
    Template,
    default_template,
    load_template,
)

QUESTION = "Who speaks?"
CHOICES = ("A man", "A 'quoted' woman", "Nobody", "C {question}")
LIST = "['A man', \"A 'quoted' woman\", 'Nobody', 'C {question}']"
LETTERS = "A. A man\nB. A 'quoted' woman\nC. Nobody\nD. C {question}"

RENDERED = {
    "r1-aqa": (
        f"Who speaks? Please choose the answer from the following options: {LIST}. Output the "
        "final answer in <answer> </answer>."
    ),
    "ke-omni-r": (
        f"Who speaks? Please choose the answer from the following options: {LIST}. Directly output "
        "the final answer in <answer> </answer>."
    ),
    "ke-omni-r-think": (
        f"Who speaks? Please choose the answer from the following options: {LIST}. Output the "
        "thinking process(less than 50 words) in <think> </think> and final answer in <answer> "
        "</answer>."
    ),
    "qwen2.5-omni": (
        f"Who speaks?\n{LETTERS}\nAnswer with the option's letter from the given choices directly."
    ),
    "mmar": (
        "Who speaks?\nSelect one option from the provided choices:\n"
        "A man\nA 'quoted' woman\nNobody\nC {question}"
    ),
    "af3": (
        "Who speaks? Choose the correct option from the following options:\n"
        "(A) A man\n(B) A 'quoted' woman\n(C) Nobody\n(D) C {question}"
    ),
    "plain": (
        f"Who speaks?\n{LETTERS}\nAnswer with the option's letter from the given choices directly."
    ),
    "mmsu": (
        "Choose the most suitable answer from options A, B, C, and D to respond the question in "
        "next line, **you should only choose A or B or C or D.** Do not provide any additional "
        f"explanations or content.\n\nQuestion: Who speaks?\n\n{LETTERS}"
    ),
    "air-bench": (
        "Choose the most suitable answer from options A, B, C, and D to respond the question in "
        f"next line, you may only choose A or B or C or D.\nWho speaks?\n{LETTERS}"
    ),
    "question": "Who speaks?",
}
SYSTEMS = {"qwen2.5-omni": "You are a helpful assistant."}
AUDIO_FIRST = {"r1-aqa", "ke-omni-r", "ke-omni-r-think", "qwen2.5-omni", "af3"}


def task_with(template: str | None) -> Task:
    class Some(Task):
        def load(self, data: Any, split: str) -> Any: ...

        def outcomes(self, records: Any) -> list[bool | None]:
            return []

    Some.template = template
    return Some()


def written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", TEMPLATES)
def test_exact_prompt(name: str) -> None:
    template = load_template(name)
    assert template.name == name
    assert template.render(QUESTION, CHOICES) == RENDERED[name]
    assert template.system == SYSTEMS.get(name)
    assert template.audio_first is (True if name in AUDIO_FIRST else None)
    assert template.source


def test_every_template_is_tested() -> None:
    assert list(TEMPLATES) == list(RENDERED)


def test_an_example_of_nvidia() -> None:
    """Item 3 of static/mmar.json, branch audio_flamingo_3 of NVIDIA/audio-flamingo."""
    gave, scared = "Gave candies to the children", "Scared the children away"
    told = "Told the children a story"
    question = "What did the woman do in the conversation"
    assert TEMPLATES["af3"].render(question, (gave, scared, told)) == (
        f"{question} Choose the correct option from the following options:\n"
        f"(A) {gave}\n(B) {scared}\n(C) {told}"
    )


@pytest.mark.parametrize("name", ["mmsu", "air-bench"])
def test_missing_choices_as_the_scripts_print_them(name: str) -> None:
    prompt = TEMPLATES[name].render(QUESTION, ("yes", "no"))
    assert prompt.endswith("\nA. yes\nB. no\nC. None\nD. None")


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("python-list", "['x', 'y']"),
        ("letters-paren", "(A) x (B) y"),
        ("letters-paren-lines", "(A) x\n(B) y"),
        ("letters-lines", "A. x\nB. y"),
        ("four-letters-lines", "A. x\nB. y\nC. None\nD. None"),
        ("lines", "x\ny"),
    ],
)
def test_styles(style: str, expected: str) -> None:
    template = Template("t", "{question}|{choices}", None, None, style, "")
    assert template.render("q", ("x", "y")) == f"q|{expected}"
    assert style in CHOICE_STYLES


def test_more_choices_than_letters() -> None:
    lines = TEMPLATES["plain"].render("q", [str(number) for number in range(54)]).split("\n")
    assert [lines[index] for index in (1, 26, 27, 53)] == ["A. 0", "Z. 25", "AA. 26", "BA. 52"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_without_choices_the_question_alone(name: str) -> None:
    assert TEMPLATES[name].render(QUESTION, ()) == QUESTION


@pytest.mark.parametrize(
    "question",
    [
        "{choices}",
        "{question} {0} {x!r}",
        "}{",
        "100 % %s",
        "a \"b\" 'c'",
        "zwei\nZeilen",
        "谁在说话?🎵\\1",
    ],
)
def test_awkward_questions(question: str) -> None:
    for name, template in TEMPLATES.items():
        expected = RENDERED[name].replace(QUESTION, question, 1)
        assert template.render(question, CHOICES) == expected


@given(st.sampled_from(sorted(TEMPLATES)), st.text(), st.lists(st.text(), max_size=40))
def test_any_question_is_there_verbatim(name: str, question: str, choices: list[str]) -> None:
    prompt = TEMPLATES[name].render(question, choices)
    assert question in prompt
    if choices and name in {"mmar", "af3", "plain", "mmsu"}:
        assert all(choice in prompt for choice in choices)


def test_hash_is_of_what_shapes_the_prompt() -> None:
    base = Template("t", "{question}", None, None, "lines", "here")
    assert base.sha256 == Template("u", "{question}", None, None, "lines", "there").sha256
    others = (
        Template("t", "{question} ", None, None, "lines", "here"),
        Template("t", "{question}", "", None, "lines", "here"),
        Template("t", "{question}", None, False, "lines", "here"),
        Template("t", "{question}", None, None, "python-list", "here"),
    )
    assert len({template.sha256 for template in (base, *others)}) == 5
    assert len(base.sha256) == 64


@pytest.mark.parametrize(
    ("family", "model", "expected"),
    [
        ("qwen2_audio", "Qwen/Qwen2-Audio-7B-Instruct", "r1-aqa"),
        ("qwen2_5_omni", "Qwen/Qwen2.5-Omni-7B", "qwen2.5-omni"),
        ("qwen2_5_omni_thinker", "some/thinker", "qwen2.5-omni"),
        ("qwen2_5_omni_thinker", "KE-Team/Ke-Omni-R-3B", "ke-omni-r"),
        ("qwen2_5_omni", "/models/ke-omni-r", "ke-omni-r"),
        ("audioflamingo3", "nvidia/audio-flamingo-3-hf", "af3"),
        ("musicflamingo", "nvidia/music-flamingo-hf", "af3"),
        ("voxtral", "mistralai/Voxtral-Mini-3B-2507", "plain"),
    ],
)
def test_default_by_model(family: str, model: str, expected: str) -> None:
    assert default_template(family, model, task_with(Task.template)) is TEMPLATES[expected]
    for prescribed in ("mmsu", "air-bench", "question"):
        assert default_template(family, model, task_with(prescribed)) is TEMPLATES[prescribed]


def test_defaults_exist() -> None:
    assert {default.template for default in MODEL_DEFAULTS} <= set(TEMPLATES)


def test_own_json(tmp_path: Path) -> None:
    fields = {
        "name": "mine",
        "text": 'Answer as {"a": 1}: {question}\n{choices}',
        "system": "Be brief.",
        "audio_first": False,
        "choices": "letters-paren",
    }
    for given_as in (Path, str):
        template = load_template(given_as(written(tmp_path / "own.json", fields)))
        assert template == Template(**fields, source="the user's file own.json")
    assert template.render("q?", ("x", "y")) == 'Answer as {"a": 1}: q?\n(A) x (B) y'


def test_own_json_needs_only_a_text(tmp_path: Path) -> None:
    path = written(tmp_path / "short.JSON", {"text": "{question}"})
    assert load_template(path) == Template(
        "short", "{question}", None, None, "letters-lines", "the user's file short.JSON"
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_own_text(tmp_path: Path, newline: str, start: bytes) -> None:
    path = tmp_path / "own.txt"
    path.write_bytes(start + newline.join(["Hör zu: {question}", "{choices}", ""]).encode())
    template = load_template(str(path))
    assert template.name == "own"
    assert template.render("q", ("x", "y")) == "Hör zu: q\nA. x\nB. y"


@pytest.mark.parametrize("name", ["r1", "R1-AQA", "", "mmar.yaml", "question "])
def test_unknown_name(name: str) -> None:
    with pytest.raises(errors.TemplateError, match=r"allowed: r1-aqa, ke-omni-r, .*, question, or"):
        load_template(name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        (["{question}"], "does not hold a JSON object"),
        ({"text": "{question}", "txt": "", "Name": ""}, "unknown fields: txt, Name"),
        ({"text": "{question}", "txt": ""}, 'unknown fields: txt (did you mean "text"?); allowed'),
        ({"name": "mine"}, "has no text"),
        ({"text": "{choices}"}, "has no {question}"),
        ({"text": "question"}, "has no {question}"),
        ({"text": "{question} {options}"}, "unknown placeholder {options}"),
        ({"text": "{question} { choices }"}, "unknown placeholder { choices }"),
        ({"text": 1}, "text cannot be 1"),
        ({"text": "{question}", "name": None}, "name cannot be None"),
        ({"text": "{question}", "system": 0}, "system cannot be 0"),
        ({"text": "{question}", "audio_first": 1}, "audio_first cannot be 1"),
        ({"text": "{question}", "choices": ["lines"]}, "choices cannot be"),
        ({"text": "{question}", "choices": "letters"}, "choices must be one of python-list"),
    ],
)
def test_bad_json(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(errors.TemplateError, match=re.escape(message)):
        load_template(written(tmp_path / "bad.json", content))


@pytest.mark.parametrize(
    ("content", "message"), [("Hello", "has no {question}"), ("{question}{x}", "placeholder {x}")]
)
def test_bad_text(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(errors.TemplateError, match=re.escape(message)):
        load_template(written(tmp_path / "bad.txt", content))


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "latin.txt").write_bytes("{question} für".encode("latin-1"))
    for name in ("missing.json", "folder.txt", "latin.txt"):
        with pytest.raises(errors.TemplateError, match="cannot be read"):
            load_template(tmp_path / name)
