"""Starting Ray, or joining a cluster that runs, and leaving it as it was."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import Any

from mata_audio.errors import RunError, SettingsError


def check_ray() -> None:
    """Check that Ray Data is installed.

    Raises:
        SettingsError: it is not.
    """
    missing = [name for name in ("ray", "pyarrow") if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"running on Ray needs {' and '.join(missing)}: pip install 'mata-audio[ray]'"
        )


@contextmanager
def ray_running(address: str | None, cpus: int, object_store: int | None) -> Iterator[None]:
    """Run a ``with`` block in a cluster: at the address, this process's own, or a new one here.

    Inside, stdout goes to stderr: Ray tells on stdout of processes that ended.

    Args:
        address: of a running cluster, or "auto"; None for ``RAY_ADDRESS``, or a new one.
        cpus: logical CPUs of a new one, which only divide the work.
        object_store: bytes of shared memory of a new one; None for Ray's default.

    Raises:
        RunError: there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    with redirect_stdout(sys.stderr), _joined(address, cpus, object_store), _quiet():
        yield


@contextmanager
def _joined(address: str | None, cpus: int, object_store: int | None) -> Iterator[None]:
    import ray

    if ray.is_initialized():
        yield
        return
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if where == "local":
        options |= {
            "num_cpus": cpus,
            "include_dashboard": False,
            "object_store_memory": object_store,
        }
    try:
        ray.init(address=where, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise RunError(f"Ray cannot be started or joined at {where!r}: {text}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _quiet() -> Iterator[None]:
    """Run a ``with`` block with our own options of Ray Data, and without its log."""
    from ray.data import DataContext

    own = DataContext.get_current().copy()
    own.enable_progress_bars = False
    own.print_on_execution_start = False
    own.max_consecutive_actor_init_deaths = 3
    log = logging.getLogger("ray.data")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with DataContext.current(own):
            yield
    finally:
        log.setLevel(level)
