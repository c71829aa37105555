"""The hub, asked so that an answer comes within seconds however dead the network is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from mata_audio.errors import one_line

HUB_SECONDS = 5.0
"""How long the hub may take to answer."""

Answer = TypeVar("Answer")


def in_time(ask: Callable[[], Answer]) -> Answer:
    """Return what ``ask`` returns, or raise what it raises.

    The time limits of HTTP libraries leave out the search for the hub's address, in which a machine
    without a network can hang for minutes. So the question is put on a thread that is not waited
    for.

    Raises:
        ConnectionError: there is no answer within :data:`HUB_SECONDS`.
    """
    answers: list[Answer] = []
    errors: list[Exception] = []

    def put() -> None:
        try:
            answers.append(ask())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=put, name="asking the hub", daemon=True)
    thread.start()
    thread.join(HUB_SECONDS)
    if errors:
        raise errors[0]
    if not answers:
        raise ConnectionError(f"no answer within {HUB_SECONDS:g} s")
    return answers[0]


def why_unreachable(hub_id: str, kind: str = "model") -> str:
    """Return why the hub cannot be asked for files of a repository, in words; "" if it can.

    Args:
        hub_id: the repository. That it is there, or may be read, is not asked.
        kind: ``"model"`` or ``"dataset"``.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    def ask() -> Any:
        return HfApi().repo_info(hub_id, repo_type=kind, timeout=HUB_SECONDS)

    try:
        in_time(ask)
    except OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE forbids the network"
    except (HfHubHTTPError, HFValidationError):  # an answer, or what needs none
        return ""
    except Exception as error:  # of the network, its proxies and certificates
        return f"the hub cannot be reached ({one_line(error)})"
    return ""


@contextmanager
def cache_only(only: bool = True) -> Iterator[None]:
    """Keep the libraries off the network inside a ``with`` block; does nothing if not ``only``.

    ``local_files_only`` does not: the hub's library still asks it who may be running it.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or only
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def how_to_get(hub_id: str) -> str:
    """Return how to get a model without a network here, as a sentence."""
    return (
        f"Where there is a network, run: hf download {hub_id} --local-dir FOLDER. Copy FOLDER "
        f"here, and give it in place of {hub_id}"
    )
