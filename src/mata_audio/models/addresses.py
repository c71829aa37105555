"""Addresses where only files are read: a command that downloads one first."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath
from urllib.parse import urlsplit

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://?", re.IGNORECASE)  # a Path has only one slash left

_COMMANDS = {"s3": "aws s3 cp {} {}", "gs": "gcloud storage cp {} {}"}


def download_advice(name: str) -> str | None:
    """Return what to do about an address, such as ``https://...``; None if it is none."""
    if _ADDRESS.match(name) is None:
        return None
    scheme, _, rest = name.partition(":")
    scheme, rest = scheme.lower(), rest.lstrip("/")
    if scheme == "file":
        return f"give the file's path: {shlex.quote(f'/{rest}')}"
    return f"download it first: {_command(scheme, rest, f'{scheme}://{rest}')}"


def _command(scheme: str, rest: str, address: str) -> str:
    if scheme == "hf":
        return _from_hub(rest)
    clip = f"clip{PurePosixPath(urlsplit(address).path).suffix or '.wav'}"
    if scheme in _COMMANDS:
        return _COMMANDS[scheme].format(shlex.quote(address), shlex.quote(clip))
    return f"curl -L -o {shlex.quote(clip)} {shlex.quote(address)}"


def _from_hub(rest: str) -> str:
    """Return the command for ``datasets/OWNER/NAME/path``, or a model's path without the first."""
    kind = "dataset" if rest.startswith("datasets/") else "model"
    owner, _, path = rest.removeprefix("datasets/").partition("/")
    name, _, file = path.partition("/")
    repository, file = shlex.quote(f"{owner}/{name or 'NAME'}"), shlex.quote(file or "FILE")
    return f"hf download {repository} {file} --repo-type {kind} --local-dir ."
