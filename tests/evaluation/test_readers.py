"""Which part of a model's output is read as its answer."""

from __future__ import annotations

from itertools import product

import pytest
from data_files import ORIGINS, question_file, questions_of
from hypothesis import given
from hypothesis import strategies as st

from mata_audio import errors
from mata_audio.evaluation.scoring.readers import READERS, check_reader, read_answer

WHO = ("A child", "A woman", "An adult man", "A teenager")
FORMS = (
    "{0}",
    "({0})",
    "{0}.",
    "{0})",
    "{0}:",
    "({0}).",
    " {0} ",
    "**{0}**",
    "{0}\n\nIt can be heard.",
    "{0}\n\nI hear it. A man would sound lower.",
    "({0}) {1}",
    "({0}){1}",
    "({0}) {1}.",
    "{0}. {1}",
    "{0}) {1}",
    "{0}: {1}",
    "**{0}. {1}**",
    "{0}. {1}\n\nIt can be heard.",
    "Answer: {0}",
    "Answer: ({0})",
    "answer: ({0}) {1}",
    "Answer:\n{0}. {1}",
    "The answer is {0}.",
    "The answer is ({0}).",
    "The answer is: {0}",
    "The correct answer is ({0}) {1}.",
    "So, the correct option is {0}: {1}",
    "The most suitable answer is {0}",
    "Final answer: {0}",
    "Option {0}",
    "The answer is option {0}.",
)
SMALL_FORMS = ("{0}", "({0})", "{0}.", "{0})", "({0}) {1}", "Answer: {0}")

WORD = st.text("abcdefgxyzéü", min_size=1, max_size=5)
PHRASE = st.lists(WORD, min_size=2, max_size=4).map(" ".join)
PHRASES = st.lists(PHRASE, min_size=2, max_size=8, unique=True)


def letter_of(index: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[index]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("<answer>Owl</answer>", "Owl"),
        ("<think>No <answer>.</think> <answer> Owl </answer>", ".</think> <answer> Owl"),
        ("<answer>a</answer><answer>b</answer>", "a"),
        ("Sure!\n<answer> An owl </answer>\nBye", "An owl"),
        ("<answer></answer>", ""),
        ("<answer>two\nlines</answer>", "<answer>two\nlines</answer>"),
        ("<Answer>Owl</Answer>", "<Answer>Owl</Answer>"),
        ("  no tag\n", "no tag"),
        ("<answer>open", "<answer>open"),
        ("", ""),
    ],
)
def test_answer_tag(raw: str, expected: str) -> None:
    assert read_answer("answer-tag", raw, WHO) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("x", "x"), ("x\n y \n\n \t\n", "y"), ("x\r\ny\r\n", "y"), (" \n ", ""), ("", "")],
)
def test_final_line(raw: str, expected: str) -> None:
    assert read_answer("final-line", raw, ()) == expected


@pytest.mark.parametrize("form", FORMS)
def test_letter_forms(form: str) -> None:
    for index, choice in enumerate(WHO):
        assert read_answer("letter", form.format(letter_of(index), choice), WHO) == choice


@pytest.mark.parametrize("form", SMALL_FORMS)
def test_small_letters_that_stand_alone(form: str) -> None:
    for index, choice in enumerate(WHO):
        raw = form.format(letter_of(index).lower(), choice)
        assert read_answer("letter", raw, WHO) == choice


@pytest.mark.parametrize(
    ("raw", "choices"),
    [
        ("A woman", WHO),
        ("A woman.", WHO),
        ("A woman is speaking", WHO),
        ("A man", WHO),
        ("a woman", WHO),
        ("The answer is A woman.", WHO),
        ("The answer is a woman.", WHO),
        ("Answer: A woman", WHO),
        ("I", WHO),
        ("I think so", WHO),
        ("E", WHO),
        ("(E)", WHO),
        ("Both A and B", WHO),
        ("A or B", WHO),
        ("A, B", WHO),
        ("A\nB", WHO),
        ("A. A child\nB. A woman\nC. An adult man\nD. A teenager", WHO),
        ("(A) A child (B) A woman (C) An adult man (D) A teenager", WHO),
        ("B is it", WHO),
        ("", WHO),
        ("(B", WHO),
        ("(B) A child", WHO),  # letter and text contradict each other
        ("B. A teenager", WHO),
        ("B", ()),
        ("A**", ("x", "A**")),
        ("C major", ("G major", "C major", "A minor", "D major")),
        ("The answer is C major.", ("G major", "C major", "A minor", "D major")),
        ("C# minor", ("G major", "C major", "A minor", "C# minor")),
        ("D minor", ("G major", "C major", "A minor", "D major")),
        ("A:7/1", ("E:hdim7(11)/4", "A#:maj/5", "A:7/1", "D:min/5")),
        ("The answer is A:7/1.", ("E:hdim7(11)/4", "A#:maj/5", "A:7/1", "D:min/5")),
        ("C. S. Lewis", ("Tolkien", "C. S. Lewis", "Orwell", "Woolf")),
        ("C. S. Lewis wrote it.", ("Tolkien", "C. S. Lewis", "Orwell", "Woolf")),
    ],
)
def test_letter_leaves_alone(raw: str, choices: tuple[str, ...]) -> None:
    assert read_answer("letter", raw, choices) == raw


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("C", "C"),  # the note, not the third choice
        ("The answer is C.", "C"),
        ("(C)", "C"),
        ("C. E.", "E"),  # the third choice, by its text
        ("(A) G", "G"),
        ("B", "D"),  # not one of the notes
        ("G", "G"),
    ],
)
def test_choices_that_are_letters_win(raw: str, expected: str) -> None:
    assert read_answer("letter", raw, ("G", "D", "E", "C")) == expected


def test_small_letter_as_choice() -> None:
    choices = ("twenty-one", "Berman's", "said", "a")
    assert read_answer("letter", "a", choices) == "a"
    assert read_answer("letter", "(A)", choices) == "a"
    assert read_answer("letter", "A. twenty-one", choices) == "twenty-one"
    assert read_answer("letter", "(a)", ("A", "a")) == "a"
    assert read_answer("letter", "B", choices) == "Berman's"


def test_longest_choice_counts() -> None:
    choices = ("A man", "A man and a child")
    assert read_answer("letter", "(B) A man and a child", choices) == "A man and a child"
    assert read_answer("letter", "(A) A man and a child", choices) == "(A) A man and a child"


def test_duplicate_choices() -> None:
    choices = ("four", "nine", "fourteen", "fourteen")
    assert read_answer("letter", "(D) fourteen", choices) == "fourteen"
    assert read_answer("letter", "(C) fourteen", choices) == "fourteen"


def test_chain() -> None:
    raw = "<think>B? no\n</think>\n<answer> (C) </answer>"
    assert read_answer("answer-tag+letter", raw, WHO) == "An adult man"
    assert read_answer("final-line+letter", "Let me think.\nThe answer is B.\n", WHO) == "A woman"
    assert read_answer("letter", raw, WHO) == raw


@pytest.mark.parametrize("reader", ["", "letters", "answer-tag+", "letter + whole", "letter,whole"])
def test_unknown_reader(reader: str) -> None:
    for read in (check_reader, lambda name: read_answer(name, "B", WHO)):
        with pytest.raises(errors.TemplateError, match="answer-tag, letter, final-line, whole"):
            read(reader)


@pytest.mark.parametrize("reader", [*READERS, "answer-tag+letter", "final-line+letter+whole"])
def test_known_reader(reader: str) -> None:
    check_reader(reader)


@given(st.text())
def test_whole_is_idempotent(raw: str) -> None:
    once = read_answer("whole", raw, ())
    assert once == raw.strip()
    assert read_answer("whole", once, ()) == once


@given(st.sampled_from([*READERS, "answer-tag+letter"]), st.text(), st.lists(st.text()))
def test_reading_never_fails(reader: str, raw: str, choices: list[str]) -> None:
    assert isinstance(read_answer(reader, raw, choices), str)


@given(PHRASES)
def test_each_letter_is_its_own_choice(choices: list[str]) -> None:
    for index, choice in enumerate(choices):
        for form in FORMS:
            assert read_answer("letter", form.format(letter_of(index), choice), choices) == choice


@given(st.lists(st.text(), min_size=1, max_size=8))
def test_a_choice_is_read_as_itself(choices: list[str]) -> None:
    for choice in choices:
        assert read_answer("letter", choice, choices) == choice


@pytest.fixture(params=product(ORIGINS, ["mmau-test-mini.json", "MMAR-meta.jsonl"]), ids=" ".join)
def real_choices(request: pytest.FixtureRequest) -> list[list[str]]:
    origin, name = request.param
    return [record["choices"] for record in questions_of(question_file(name, origin))]


def test_real_choices(real_choices: list[list[str]]) -> None:
    """In every item, each choice's text is read as itself, and each letter as its choice."""
    for choices in real_choices:
        for index, choice in enumerate(choices):
            assert read_answer("letter", choice, choices) == choice
            assert read_answer("answer-tag+letter", choice, choices) == choice.strip()
            for form in FORMS:
                alone = "{1}" not in form
                if alone and letter_of(index) in [text.upper() for text in choices]:
                    continue  # this letter is itself a choice, which wins
                raw = form.format(letter_of(index), choice)
                assert read_answer("letter", raw, choices) == choice, (raw, choices)


def test_real_choices_with_a_full_stop(real_choices: list[list[str]]) -> None:
    """A full stop after a choice never turns it into another choice."""
    for choices in real_choices:
        for choice in choices:
            assert read_answer("letter", f"{choice}.", choices) in (choice, f"{choice}.")
            raw = f"The answer is {choice}."
            assert read_answer("letter", raw, choices) in (choice, raw)
