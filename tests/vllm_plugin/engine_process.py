"""Runs one engine of vLLM on a job, in a process of its own: ``engine_process.py JOB RESULT``.

The job is JSON: ``model``, ``engine`` (vLLM's arguments), ``together`` (lists of questions that are
asked at once) and ``receipt``. Questions are as :class:`Question` in ``conftest.py``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def clip(seed: int, samples: int) -> np.ndarray:
    """Return noise, the same for a seed."""
    return 0.1 * np.random.default_rng(seed).standard_normal(samples).astype("float32")


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Return the answers to all questions, or what was wrong, and the engine's receipt."""
    from vllm import LLM, SamplingParams

    try:
        llm = LLM(model=job["model"], **job["engine"])
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}

    def answers(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        prompts, params = [], []
        for own in questions:
            sounds = [(clip(*which), 16_000) for which in own["clips"]]
            data = {"multi_modal_data": {"audio": sounds}} if sounds else {}
            prompts.append({"prompt": own["text"], **data})
            setting = {} if own["setting"] is None else {"mata": own["setting"]}
            params.append(
                SamplingParams(
                    temperature=0,
                    max_tokens=own["tokens"],
                    logprobs=0,
                    ignore_eos=True,
                    extra_args=setting,
                )
            )
        try:
            outputs = llm.generate(prompts, params, use_tqdm=False)
        except Exception as error:
            return [{"error": f"{type(error).__name__}: {error}"}]
        return [
            {
                "ids": list(output.prompt_token_ids),
                "tokens": list(output.outputs[0].token_ids),
                "logprobs": [
                    own[token].logprob
                    for token, own in zip(
                        output.outputs[0].token_ids, output.outputs[0].logprobs, strict=True
                    )
                ],
                "cached": output.num_cached_tokens,
            }
            for output in outputs
        ]

    found = [answers(questions) for questions in job["together"]]
    metrics = {own.name: getattr(own, "value", None) for own in llm.get_metrics()}
    receipts = llm.collective_rpc("mata_receipt") if job["receipt"] else []
    return {"answers": found, "receipts": receipts, "metrics": metrics}


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps(main(given)))
