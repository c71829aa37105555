"""Which of the libraries that this package needs is missing, too old or broken, and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from mata_audio.errors import MataError, MissingLibraryError, one_line

NEEDED: Mapping[str, str] = {
    "numpy": "2.0",
    "torch": "2.6",
    "transformers": "5.17",
    "scipy": "1.13",
    "soundfile": "0.13",
    "soxr": "0.5",
    "jinja2": "3.1",
    "shtab": "1.13",
}
"""Oldest version of each library, as in pyproject.toml; what others need comes before them."""

BESIDE = ("torchvision", "torchaudio")
"""Libraries that need not be there, but that Transformers imports wherever they are."""

_NAMES = {"torch": "PyTorch", "transformers": "Transformers", "numpy": "NumPy", "scipy": "SciPy"}

_WITHOUT_GPU = "--extra-index-url https://download.pytorch.org/whl/cpu"


def missing_library(error: Exception) -> MissingLibraryError | None:
    """Return why an error comes of the installation, and what to install; None if it does not.

    Libraries are imported only for errors that may be of that kind: this package's own, and those
    on a file, say what is wrong themselves.
    """
    if isinstance(error, MataError) or (isinstance(error, OSError) and error.filename is not None):
        return None
    for name in NEEDED:
        if said := _wrong(name):
            return MissingLibraryError(said)
    for name in BESIDE:
        if said := _wrong_beside(name):
            return MissingLibraryError(said)
    return None


def _wrong(name: str) -> str:
    """Return what is wrong with a library, and what to do; "" if it can be used."""
    title = _NAMES.get(name, name)
    found = _version(name)
    if found and _numbers(found) < _numbers(NEEDED[name]):
        return (
            f"{title} {found} is too old, as mata-audio needs {NEEDED[name]} or later: "
            f"{_install(name, '-U ')}"
        )
    try:
        import_module(name)
        if name == "torch":
            _check_numpy()
    except Exception as error:  # a shared library may fail in any way
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            return f"{title} is not installed: {_install(name)}"
        told = one_line(error)[:300]
        return (
            f"{title} is installed, but cannot be used ({told}): "
            f"{_install(name, '--force-reinstall ')}"
        )
    return ""


def _wrong_beside(name: str) -> str:
    """Return why a library of :data:`BESIDE` keeps Transformers from loading; "" if it does not."""
    try:
        import_module(name)
    except Exception as error:  # each release is for one PyTorch, and one CUDA
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            return ""
        return (
            f"{name} {_version(name)} cannot be used beside PyTorch {_version('torch')} "
            f"({one_line(error)[:300]}), and Transformers imports it: pip uninstall {name}, or "
            "install the one for this PyTorch (docs/install.md)"
        )
    return ""


def _version(name: str) -> str:
    """Return the version that is installed; "" if nothing of that name is."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _check_numpy() -> None:
    """Raise an error if PyTorch was built for another NumPy than the one that is installed."""
    import numpy
    import torch

    torch.from_numpy(numpy.zeros(1))


def _install(name: str, how: str = "") -> str:
    package = f"'{name}>={NEEDED[name]}'"
    if name != "torch":
        return f"pip install {how}{package}"
    return (
        f"pip install {how}{package}, or without a GPU pip install {how}{_WITHOUT_GPU} {package} "
        "(docs/install.md)"
    )


def _numbers(written: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with, so that 2.13.0+cpu is after 2.6."""
    found = re.match(r"\d+(\.\d+)*", written)
    return tuple(map(int, found[0].split("."))) if found else ()
