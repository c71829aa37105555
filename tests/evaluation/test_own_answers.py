"""Answers in one's own questions: by text or by letter, and never one that no reply can give."""

from __future__ import annotations

import json
import re
import tempfile
import warnings
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mata_audio.errors import DataError, UnreachableAnswerWarning
from mata_audio.evaluation.data.choices import chosen
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.scoring.exact_text import normalised
from mata_audio.evaluation.scoring.readers import read_answer
from mata_audio.evaluation.tasks import TASKS

JSONL = TASKS["jsonl"]
TEXTS = st.text("ABCDabcdefoghx #+1.?()\u00e9\u732b", min_size=1, max_size=8)
CHOICES = st.lists(TEXTS, min_size=2, max_size=5, unique_by=normalised)
FORMS = ("{0}", "({0})", "{0}.", "{0})", "{0}:", " {0} ", "({0}) {1}", "{0}. {1}", "{0}: {1}")


def load(**fields: Any) -> Item:
    """Load one question."""
    record = {"id": "1", "audio": "a.wav", "question": "Which?", **fields}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mine.jsonl"
        file.write_text(json.dumps(record))
        return JSONL.load(file, "test").items[0]


def right(item: Item, said: str) -> bool | None:
    """Score what a model said, read as usual."""
    read = read_answer(JSONL.reader, said, item.choices)
    return JSONL.outcomes([JSONL.record(item, read)])[0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_a_letter_is_its_choice(form: str, case: Any) -> None:
    choices = ["a dog", "cats", "no animal"]
    item = load(choices=choices, answer=form.format(case("B"), "Cats"))
    assert (item.answer, item.record["answer"]) == ("cats", "cats")
    assert [right(item, said) for said in ("B", "cats", "A", "no animal")] == [1, 1, 0, 0]


def test_letters_of_lettered_choices() -> None:
    choices = ["(A) dog", "(B) cat"]
    for answer in ("B", "(B)", "(b) cat", "(B) cat", "cat", "CAT"):
        assert load(choices=choices, answer=answer).answer == "cat", answer
    with pytest.raises(DataError, match=r"its choices are lettered B, A: write A, B, C"):
        load(choices=["(B) dog", "(A) cat"], answer="A")


def test_a_choices_text_wins_over_a_letter() -> None:
    assert load(choices=["B", "A"], answer="B").answer == "B"
    assert load(choices=["B", "A"], answer="b").answer == "B"
    assert load(choices=["c", "d", "A minor"], answer="C").answer == "c"
    assert chosen("b", ("B", "b")) == "b"


@pytest.mark.parametrize(
    ("choices", "answer", "said"),
    [
        (["dog", "cat"], "bird", "answer 'bird' names none of the choices 'dog', 'cat': give"),
        (["dog", "cat"], "C", "answer 'C' names none"),
        (["dog", "cat"], "(A) cat", "names none"),
        (["dog", "cat"], "A woman", "names none"),
        (["dog", "cat"], "A, B", "names none"),
        (["dog", "cat"], 0, "answer '0' names none"),
        (["C", "D", "E"], "A", "names none"),
        (["Dog", "DOG"], "dog", "names several"),
        (["dog", "Dog."], "dog", "differs from the answer 'dog' only in case or punctuation"),
        (["?", "!"], "?", "answer '?' has nothing to compare"),
        (None, "...", "has nothing to compare"),
    ],
)
def test_what_no_reply_can_match_is_refused(choices: Any, answer: Any, said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        load(choices=choices, answer=answer)
    assert "mine.jsonl: record 1 (id 1): " in str(caught.value)


@given(choices=CHOICES, number=st.integers(0, 4), form=st.sampled_from(["{1}", *FORMS]))
def test_a_perfect_model_is_always_right_and_another_never(
    choices: list[str], number: int, form: str
) -> None:
    assume(number < len(choices))
    answer = form.format(ascii_uppercase[number], choices[number])
    try:
        item = load(choices=choices, answer=answer)
    except DataError:
        assert form != "{1}" or not normalised(answer) or re.match(r"\([A-Z]\)", choices[0])
        return
    for place, choice in enumerate(item.choices):
        outcome = JSONL.outcomes([JSONL.record(item, choice)])
        assert outcome == [choice == item.answer]
        if form == "{1}" and item.choices == tuple(choices):
            assert outcome == [place == number]


@given(choices=CHOICES)
def test_each_choice_names_itself(choices: list[str]) -> None:
    assert [chosen(choice, choices) for choice in choices] == choices


OFFICIAL = {
    "mmau": ("mmau-test-mini.json", {"audio_id": "a.wav", "choices": ["dog", "cat"]}, "answer"),
    "mmar": ("MMAR-meta.jsonl", {"audio_path": "a.wav", "choices": ["dog", "cat"]}, "answer"),
    "mmsu": ("mmsu.jsonl", {"audio_path": "a.wav", "choice_a": "dog", "choice_b": "cat"}, None),
    "air-bench": ("Foundation_meta.json", {"path": "a.wav", "uniq_id": 1}, None),
    "mmau-pro": ("mmau-pro.json", {"audio_path": "a.wav", "choices": ["dog", "cat"]}, "answer"),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_benchmarks_keep_their_answers_and_warn(name: str, tmp_path: Path) -> None:
    file, own, key = OFFICIAL[name]
    record = {"id": "1", "question": "Which?", "category": "x", "task_name": "t", **own}
    if name == "air-bench":
        record |= {"choice_a": "dog", "choice_b": "cat"}
    for answer, warned in (("B", True), ("bird", True), ("cat", False)):
        (tmp_path / file).write_text(json.dumps([{**record, key or "answer_gt": answer}]))
        task = TASKS[name]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            (item,) = task.load(tmp_path, task.splits[0]).items
        assert item.record[key or "answer_gt"] == answer
        assert [each.category for each in caught] == [UnreachableAnswerWarning] * warned
        if warned:
            said = str(caught[0].message)
            assert file in said
            assert "1 of 1 items have an answer that is none of their choices or that" in said
