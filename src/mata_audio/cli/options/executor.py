"""The options that say where a run is answered: in this process, or on a cluster."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mata_audio.cli.parser import add_number
from mata_audio.errors import SettingsError

if TYPE_CHECKING:
    from mata_audio.evaluation.running.executor import Executor


def add_executor_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--on``, ``--actors``, ``--gpus-per-actor`` and ``--ray-address``."""
    group = parser.add_argument_group("cluster")
    group.add_argument(
        "--on",
        choices=("here", "ray"),
        default="here",
        help="where to answer: here, in this process; ray, on actors of a Ray cluster, with the "
        "same files at the end (default: here; ray needs: pip install 'mata-audio[ray]')",
    )
    add_number(group, "--actors", "with --on ray: processes that hold the model (default: 1)")
    group.add_argument(
        "--gpus-per-actor",
        type=float,
        metavar="G",
        help="with --on ray: 1, a part such as 0.5, several, or 0 (default: 1 if there are GPUs)",
    )
    group.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="with --on ray: a running cluster, or auto (default: RAY_ADDRESS, else a new one on "
        "this machine)",
    )


def executor_from(args: argparse.Namespace) -> Executor | None:
    """Return where to answer; None for this process.

    Raises:
        SettingsError: a number that is not allowed, options of Ray without it, or Ray is missing.
    """
    if args.on == "here":
        names = ("actors", "gpus_per_actor", "ray_address")
        given = [f"--{n.replace('_', '-')}" for n in names if getattr(args, n) is not None]
        if given:
            raise SettingsError(f"{' and '.join(given)}: only with --on ray")
        return None
    from mata_audio.evaluation.cluster.ray_executor import RayExecutor
    from mata_audio.evaluation.cluster.starting import check_ray

    check_ray()
    actors = 1 if args.actors is None else args.actors
    return RayExecutor(actors, args.gpus_per_actor, args.ray_address)
