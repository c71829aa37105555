"""Answering requests with lmms-eval's own code, while the model is steered."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from accelerate import Accelerator
from lmms_eval.api.instance import Instance

from mata_audio.errors import RunError, one_line
from mata_audio.harnesses.arguments import Arguments
from mata_audio.methods import Method
from mata_audio.settings.in_words import short_name
from mata_audio.steering.receipt import Receipt


def own_requests(requests: Sequence[Instance]) -> list[Instance]:
    """Return requests whose options may be changed.

    lmms-eval's models take options out of them and put defaults in. The cache would then keep an
    answer by other options than those that it is looked up by, and never find it.
    """
    copies = []
    for request in requests:
        own = copy.copy(request)
        own.arguments = tuple(
            dict(part) if isinstance(part, dict) else part for part in request.args
        )
        copies.append(own)
    return copies


@contextmanager
def steered(model: Any, tokenizer: Any, method: Method | None) -> Iterator[list[Exception]]:
    """Steer a model while lmms-eval's code calls it, and tell what was done, on stderr.

    lmms-eval's models make an empty answer of every error in ``generate``. Here the first one is
    raised at the end.

    Args:
        model: its ``generate`` is called.
        tokenizer: of the model.
        method: None for the unmodified model.

    Yields:
        The errors so far; others that would be swallowed may be added.

    Raises:
        RunError: there was an error.
        NoAudioError: the model is steered, and saw no audio.
    """
    failures: list[Exception] = []
    own, before = model.generate, vars(model).get("generate")
    model.generate = _noting(own, failures)
    try:
        with nullcontext() if method is None else method(model, tokenizer=tokenizer) as applied:
            yield failures
            if failures:
                raise RunError(
                    f"an answer could not be generated: {one_line(failures[0])}. lmms-eval would "
                    "count it as an empty answer"
                ) from failures[0]
    finally:
        del model.generate
        if before is not None:
            model.generate = before
    tell(method, None if applied is None else applied.receipt)


def _noting(generate: Callable[..., Any], failures: list[Exception]) -> Callable[..., Any]:
    def noting(*args: Any, **kwargs: Any) -> Any:
        try:
            return generate(*args, **kwargs)
        except Exception as error:
            failures.append(error)
            raise

    return noting


def tell(method: Method | None, receipt: Receipt | None) -> None:
    """Write the setting and its receipt to stderr."""
    if method is None or receipt is None:
        print("mata: the unmodified model answered (model_args has no setting)", file=sys.stderr)
    else:
        print(f"mata: {short_name(method)}\n{receipt}", file=sys.stderr)


def place(model: Any, arguments: Arguments) -> str:
    """Take the model's place among the processes of ``accelerate``, and return its device.

    Args:
        model: lmms-eval's; gets the rank and the number of processes.
        arguments: may name a device; with several processes each has its own.
    """
    accelerator = Accelerator()
    if accelerator.num_processes == 1:
        return str(arguments.loading.get("device", "auto"))
    model.accelerator = accelerator
    model._rank, model._world_size = accelerator.local_process_index, accelerator.num_processes
    return str(accelerator.device)
