"""A question and its answers as a JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mata_audio.cli.asked import change_in_words, share
from mata_audio.storage.atomic_file import write_atomically

if TYPE_CHECKING:
    from mata_audio.asking import Answer
    from mata_audio.cli.questions import Asked, Questions

FORMAT = 1


def save_asked(path: Path, asking: Questions, asked: Asked) -> None:
    """Write everything about a question to ``path``; it is replaced whole or not at all.

    Raises:
        WriteError: it cannot be written.
    """
    data = json.dumps(asked_data(asking, asked), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{data}\n")


def asked_data(asking: Questions, asked: Asked) -> dict[str, Any]:
    """Return everything about a question as JSON data."""
    from mata_audio.settings.in_words import describe_on
    from mata_audio.storage.environment import versions

    loaded, method = asking.asker.loaded, asked.setting.method
    layers = asked.answers[-1].layers
    return {
        "format": FORMAT,
        "versions": versions(),
        "model": {"name": loaded.name, "family": loaded.family.model_type},
        "setting": {
            **method.as_data(),
            "description": describe_on(method, asking.asker.located),
            "origin": asked.setting.origin,
        },
        "question": asked.prompt.question,
        "clips": [
            {"file": name, "seconds": clip.seconds, "heard": clip.heard, "sha256": clip.sha256}
            for name, clip in zip(asked.files, asked.prompt.clips, strict=True)
        ],
        "max_new_tokens": asking.max_new_tokens,
        "change": change_in_words(*asked.answers) if len(asked.answers) > 1 else None,
        "answers": [_answer(own, layers, len(asked.files)) for own in asked.answers],
    }


def _answer(answer: Answer, layers: tuple[int, ...], clips: int) -> dict[str, Any]:
    """Return an answer; shares of attention are means over ``layers`` and all heads."""
    receipt = answer.receipt
    return {
        "name": answer.name,
        "text": answer.text,
        "tokens": list(answer.tokens),
        "words": [asdict(word) for word in answer.words],
        "first_words": [asdict(word) for word in answer.first_words],
        "attention_on_audio": None
        if answer.heard is None
        else {
            "layers": list(layers) or list(range(answer.heard.weights.shape[1])),
            "answer": share(answer, layers),
            "words": [share(answer, layers, word) for word in answer.words],
            "clips": [share(answer, layers, clip=number) for number in range(clips)],
        },
        "why_no_attention": answer.why_not,
        "receipt": None
        if receipt is None
        else {
            **asdict(receipt),
            "negative_share": receipt.negative_share,
            "mass_before": receipt.mass_before,
            "mass_after": receipt.mass_after,
        },
        "steered_layers": list(answer.layers),
        "seconds": answer.seconds,
    }
