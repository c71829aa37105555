"""The named prompt templates as data: each text, and where it was published."""

from __future__ import annotations

from typing import Final, NotRequired, TypedDict


class TemplateRow(TypedDict):
    """A template's fields, except its name; see ``Template`` in ``template.py``.

    Args:
        text: contains ``{question}`` and ``{choices}``.
        system: system prompt; left out for the model's own.
        audio_first: whether clips precede the text; left out for the model's own order.
        choices: how the choices are written.
        source: where the text was published, and what could not be confirmed.
    """

    text: str
    system: NotRequired[str]
    audio_first: NotRequired[bool]
    choices: str
    source: str


_LMMS_EVAL = (
    "{question}\n{choices}\nAnswer with the option's letter from the given choices directly."
)

ROWS: Final[dict[str, TemplateRow]] = {
    "r1-aqa": {
        "text": (
            "{question} Please choose the answer from the following options: {choices}. "
            "Output the final answer in <answer> </answer>."
        ),
        "audio_first": True,
        "choices": "python-list",
        "source": "https://github.com/xiaomi-research/r1-aqa, src/test_mmau.py",
    },
    "ke-omni-r": {
        "text": (
            "{question} Please choose the answer from the following options: {choices}. "
            "Directly output the final answer in <answer> </answer>."
        ),
        "audio_first": True,
        "choices": "python-list",
        "source": "https://github.com/shuaijiang/Ke-Omni-R, src/test.py without --think",
    },
    # No space before "(less", as in the test script, though not in its training data.
    "ke-omni-r-think": {
        "text": (
            "{question} Please choose the answer from the following options: {choices}. "
            "Output the thinking process(less than 50 words) in <think> </think> "
            "and final answer in <answer> </answer>."
        ),
        "audio_first": True,
        "choices": "python-list",
        "source": (
            "https://github.com/shuaijiang/Ke-Omni-R, src/test.py with --think True "
            "--think_max_len 50, as its test_mmau.sh runs it"
        ),
    },
    "qwen2.5-omni": {
        "text": _LMMS_EVAL,
        "system": "You are a helpful assistant.",
        "audio_first": True,
        "choices": "letters-lines",
        "source": (
            "text: https://github.com/EvolvingLMMs-Lab/lmms-eval, lmms_eval/tasks/mmau; system "
            "prompt: what a Qwen developer advises for tasks other than dialogue, "
            "https://github.com/Lliar-liar/Daily-Omni/issues/1 (lmms-eval itself sends the one for "
            "speech output). Not confirmed: the Qwen team has not published the prompt behind its "
            "own MMAU score"
        ),
    },
    "mmar": {
        "text": "{question}\nSelect one option from the provided choices:\n{choices}",
        "choices": "lines",
        "source": (
            "the owner of MMAR's repository on Qwen2.5-Omni, its issue 3 (ddlBoJack/MMAR). Not "
            "confirmed: system prompt and order; the benchmark's repository has no inference script"
        ),
    },
    "af3": {
        "text": "{question} Choose the correct option from the following options:\n{choices}",
        "audio_first": True,
        "choices": "letters-paren-lines",
        "source": (
            "https://github.com/NVIDIA/audio-flamingo, branch audio_flamingo_3, static/mmar.json "
            "(MMAR). Not confirmed: that MMAU was asked the same way; its question file there is "
            "not published"
        ),
    },
    "plain": {
        "text": _LMMS_EVAL,
        "choices": "letters-lines",
        "source": "https://github.com/EvolvingLMMs-Lab/lmms-eval, lmms_eval/tasks/mmau",
    },
    "mmsu": {
        "text": (
            "Choose the most suitable answer from options A, B, C, and D to respond the question "
            "in next line, **you should only choose A or B or C or D.** Do not provide any "
            "additional explanations or content.\n\nQuestion: {question}\n\n{choices}"
        ),
        "choices": "four-letters-lines",
        "source": (
            "https://github.com/dingdongwang/MMSU_Bench, mmsu_inference.py; system prompt and "
            "order are left to the model there"
        ),
    },
    "air-bench": {
        "text": (
            "Choose the most suitable answer from options A, B, C, and D to respond the question "
            "in next line, you may only choose A or B or C or D.\n{question}\n{choices}"
        ),
        "choices": "four-letters-lines",
        "source": (
            "https://github.com/OFA-Sys/AIR-Bench, Inference_Foundation.py; system prompt and "
            "order are left to the model there"
        ),
    },
    "question": {
        "text": "{question}",
        "choices": "lines",
        "source": "just the question; this project's own",
    },
}
