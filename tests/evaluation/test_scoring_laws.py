"""Laws that the scoring rules must obey for any text."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.errors import ScoringError
from mata_audio.evaluation.scoring import exact_text, instructions
from mata_audio.evaluation.scoring.letters import AIR_BENCH, MMSU
from mata_audio.evaluation.scoring.string_match import MMAU, matches, words

TEXTS = st.text(string.ascii_letters + string.digits + " .,-_'", max_size=12)
ANY_TEXTS = st.text(max_size=12)
RESPONSES = st.one_of(
    st.none(),
    st.sampled_from(["", "None", "\n", "A", "B. yes", "C\n", "The answer is D.", "x", "no idea"]),
)


@given(answer=ANY_TEXTS, choices=st.lists(ANY_TEXTS))
def test_the_answer_itself_is_right_if_it_has_words(answer: str, choices: list[str]) -> None:
    assert matches(answer, answer, choices) is bool(words(answer))


@given(prediction=TEXTS, answer=TEXTS, choices=st.lists(TEXTS))
def test_case_order_and_repetition_do_not_matter(
    prediction: str, answer: str, choices: list[str]
) -> None:
    right = matches(prediction, answer, choices)
    assert matches(prediction.swapcase(), answer, choices) is right
    assert matches(prediction, answer.swapcase(), choices) is right
    assert matches(prediction, answer, [choice.swapcase() for choice in choices]) is right
    assert matches(prediction, answer, [*choices[::-1], answer, *choices]) is right
    assert matches(f"{prediction} {prediction}", answer, choices) is right


@given(answer=TEXTS, wrong=TEXTS, choices=st.lists(TEXTS))
def test_a_word_that_only_a_wrong_choice_has_makes_it_wrong(
    answer: str, wrong: str, choices: list[str]
) -> None:
    for word in words(wrong) - words(answer):
        assert not matches(f"{answer} {word}", answer, [*choices, wrong])


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "answer": st.sampled_from(["dog", "cat"]),
                "choices": st.just(["dog", "cat", "a bird"]),
                "task": st.sampled_from(["sound", "music", "speech"]),
                "difficulty": st.sampled_from(["easy", "hard", "medium"]),
            },
            optional={
                "model_output": st.sampled_from(["dog", "Cat.", "a dog", ""]),
                "sub-category": st.sampled_from(["s", "t"]),
            },
        )
    )
)
def test_each_grouping_adds_up_to_the_outcomes(records: list[dict[str, Any]]) -> None:
    outcomes = MMAU.outcomes(records)
    assert [outcome is None for outcome in outcomes] == ["model_output" not in r for r in records]
    scored = [outcome for outcome in outcomes if outcome is not None]
    if not scored:
        with pytest.raises(ScoringError, match="nothing to score"):
            MMAU.official_output(records)
        return
    sections = MMAU.official_output(records).split("*" * 30 + "\n")
    for section in sections[1:3]:
        assert sum(int(line.split()[-2]) for line in section.splitlines()[1:]) == len(scored)
    share = sum(scored) / len(scored) * 100
    assert sections[4] == f"Total Accuracy: {share:.2f}% over {len(scored)} samples\n"
    assert MMAU.outcomes(records[::-1]) == outcomes[::-1]


def multiple_choice(response: str | None) -> dict[str, Any]:
    choices = {"choice_a": "p", "choice_b": "q", "choice_c": "r", "choice_d": "s"}
    part = {"task_name": "t", "dataset_name": "d"}
    return {**part, **choices, "answer_gt": "q", "response": response}


@given(responses=st.lists(RESPONSES))
def test_an_empty_response_is_the_letter_before_it(responses: list[str | None]) -> None:
    said: list[str | None] = ["A"]
    letter = "A"
    for response in responses:
        if response in ("", "None", "\n"):
            said.append(letter)
        else:
            # Each of RESPONSES holds at most one capital letter from A to D: the one it chooses.
            letter = next((each for each in "ABCD" if each in (response or "")), letter)
            said.append(response)
    records = [multiple_choice(response) for response in ["A", *responses]]
    spelled_out = [multiple_choice(response) for response in said]
    assert MMSU.outcomes(records) == MMSU.outcomes(spelled_out)
    assert MMSU.official_output(records) == MMSU.official_output(spelled_out)


@given(responses=st.lists(RESPONSES.filter(lambda response: response is not None)))
def test_records_of_air_bench_do_not_depend_on_each_other(responses: list[str]) -> None:
    records = [multiple_choice(response) for response in responses]
    alone = [outcome for record in records for outcome in AIR_BENCH.outcomes([record])]
    assert AIR_BENCH.outcomes(records) == alone


@given(letter=st.sampled_from("ABCD"), rest=ANY_TEXTS)
def test_the_first_letter_decides(letter: str, rest: str) -> None:
    record = multiple_choice(f"{letter}{rest}")
    assert MMSU.outcomes([record]) == AIR_BENCH.outcomes([record]) == [letter == "B"]


@given(text=ANY_TEXTS, padding=st.text(" \n.!?", max_size=3))
def test_exact_text_ignores_case_spaces_and_final_punctuation(text: str, padding: str) -> None:
    plain = exact_text.normalised(text)
    assert exact_text.normalised(plain) == plain
    assert exact_text.normalised(f" {text}{padding}") == plain
    assert exact_text.matches(text, text) is bool(plain)


@given(response=TEXTS, low=st.integers(0, 5), high=st.integers(0, 5))
@pytest.mark.parametrize("what", ["Number Words", "All-capital Words"])
def test_a_range_is_both_limits(what: str, response: str, low: int, high: int) -> None:
    at_least = instructions.follows(response, f"{what} (at least)", {"N": low})
    at_most = instructions.follows(response, f"{what} (at most)", {"N": high})
    both = instructions.follows(response, f"{what} (range)", {"N1": low, "N2": high})
    assert both is (at_least and at_most)
