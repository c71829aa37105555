"""The options that name a model and say how to load it."""

from __future__ import annotations

import argparse
from typing import Any

MODEL_HELP = '"tiny" (the model in this package), a local folder or a hub id'


def add_model(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the positional MODEL."""
    parser.add_argument("model", metavar="MODEL", nargs=None if required else "?", help=MODEL_HELP)


def add_loading_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, ``--dtype``, ``--attention`` and ``--trust-remote-code``."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="where to run: auto, cpu, cuda, cuda:1, ..., or spread, divided over all GPUs (needs "
        "accelerate; default: auto)",
    )
    group.add_argument(
        "--dtype",
        default="auto",
        metavar="DTYPE",
        help="number format: float32, bfloat16, float16, or auto, the checkpoint's (default: auto)",
    )
    group.add_argument(
        "--attention",
        dest="attn_implementation",
        metavar="NAME",
        help="attention backend: sdpa, eager, ... (default: the model's)",
    )
    add_trust_remote_code(group)


def add_trust_remote_code(group: argparse._ActionsContainer) -> None:
    """Add ``--trust-remote-code``."""
    group.add_argument(
        "--trust-remote-code",
        action="store_true",
        help="run Python code from the model's repository (default: off)",
    )


def loading_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the values of :func:`add_loading_options`, named as ``load`` does."""
    names = ("device", "dtype", "attn_implementation", "trust_remote_code")
    return {name: getattr(args, name) for name in names}
