"""Preparing the libraries underneath for a command that loads a model: quiet, and small."""

from __future__ import annotations

import argparse
import sys
import warnings

from mata_audio.cli.progress import note
from mata_audio.errors import MataWarning
from mata_audio.tiny import is_embedded


def prepare_libraries(args: argparse.Namespace) -> None:
    """Quieten the libraries, and set the number of threads, for a command with a model.

    Call it inside ``warnings.catch_warnings``, before the command imports Transformers.
    """
    if not hasattr(args, "model"):
        return
    quiet_libraries(getattr(args, "debug", False))
    if runs_small_models(args):
        use_one_thread()


def quiet_libraries(debug: bool) -> None:
    """Silence the logs, warnings and bars of the libraries, unless ``debug``; ours stay, on stderr.

    On a terminal, download bars stay too. Call it inside ``warnings.catch_warnings``.
    """
    if debug:
        return
    from huggingface_hub.utils import disable_progress_bars
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    hub_logging.set_verbosity_error()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if not sys.stderr.isatty():
        disable_progress_bars()
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", MataWarning)


def runs_small_models(args: argparse.Namespace) -> bool:
    """Tell whether a command runs the embedded model, or the doctor's random ones."""
    if getattr(args, "all_families", False):
        return True
    models = args.model if isinstance(args.model, list) else [args.model]
    return any(is_embedded(model.rpartition("=")[2]) for model in models if model is not None)


def use_one_thread() -> None:
    """Compute on one thread: the small models' matrices are too small to share out.

    On a busy machine the threads would wait for each other several times longer than they work.
    """
    import torch

    torch.set_num_threads(1)


def show_warnings(debug: bool) -> None:
    """Show warnings as lines of log, ours every time; if ``debug``, with their place in the code.

    Call it inside ``warnings.catch_warnings``.
    """

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        *_: object,
        **__: object,
    ) -> None:
        place = f" ({category.__name__}, {filename}:{lineno})" if debug else ""
        note(f"warning: {message}{place}")

    warnings.simplefilter("always", MataWarning)
    warnings.showwarning = show
