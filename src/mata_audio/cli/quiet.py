"""Keeping the libraries underneath quiet, and small."""

from __future__ import annotations

import sys
import warnings

from mata_audio.cli.progress import note


def quiet_libraries(debug: bool) -> None:
    """Silence the logs, warnings and bars of the libraries, unless ``debug``; ours stay, on stderr.

    Download bars stay too where there is a terminal to draw them on. To be called inside
    ``warnings.catch_warnings``.
    """
    if debug:
        return
    from huggingface_hub.utils import disable_progress_bars
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    from mata_audio.errors import MataWarning

    hub_logging.set_verbosity_error()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if not sys.stderr.isatty():
        disable_progress_bars()
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", MataWarning)
    warnings.showwarning = _show


def _show(message: Warning | str, *_: object, **__: object) -> None:
    note(f"warning: {message}")


def use_one_thread() -> None:
    """Compute on one thread: the embedded model's matrices are too small to share out.

    On a busy machine the threads would wait for each other several times longer than they work.
    """
    import torch

    torch.set_num_threads(1)
