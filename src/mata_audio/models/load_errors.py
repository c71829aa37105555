"""Why a model could not be loaded, in one line."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mata_audio.errors import MataError, ModelLoadError

_NOT_HERE = "there is no such folder here, it is not in the local cache"

# By the name of an exception class (importing them all would be slow), the most telling first.
_KNOWN_REASONS = {
    "GatedRepoError": (
        "access must be granted: accept its terms on its hub page, then `hf auth login`"
    ),
    "RepositoryNotFoundError": (
        "there is no such folder here and no such model on the hub (or it is private: `hf auth "
        "login`)"
    ),
    "HFValidationError": "there is no such folder here, and the name is not a hub id either",
    "RevisionNotFoundError": "the hub has no such revision of this model",
    "OfflineModeIsEnabled": f"{_NOT_HERE}, and HF_HUB_OFFLINE forbids the network",
    "LocalEntryNotFoundError": f"{_NOT_HERE}, and the hub cannot be reached",
    "ConnectError": f"{_NOT_HERE}, and the hub cannot be reached",
    "ConnectionError": f"{_NOT_HERE}, and the hub cannot be reached",
    "SafetensorError": "a safetensors file is damaged; download or copy it again",
    "OutOfMemoryError": "there is not enough memory on the device",
}
_KNOWN_PHRASES = {
    "trust_remote_code": (
        "it needs Python code from its repository; read that code, and if you trust it, allow it "
        "with --trust-remote-code (trust_remote_code=True)"
    ),
    "ignore_mismatched_sizes": "its tensors have other shapes than its config.json says",
    "no file named model.safetensors": (
        "there are no safetensors weights; pickled ones (.bin) can run code and are not read: "
        "convert them first"
    ),
}

_PACKAGES = {"PIL": "pillow"}
"""Names on the package index of libraries that are imported under another name."""

_FOR_CUDA = ", of the version for your PyTorch's CUDA, or nothing loads (docs/install.md)"
"""torchaudio refuses to be imported beside another, and Transformers imports it wherever it is."""

_LONGEST = 300

_PROCESSOR_FILES = {
    "the feature extractor (preprocessor_config.json or processor_config.json)": (
        "preprocessor_config.json",
        "processor_config.json",
    ),
    "the tokenizer (tokenizer.json, vocab.json or tekken.json)": (
        "tokenizer.json",
        "vocab.json",
        "tekken.json",
        "tokenizer.model",
    ),
}


def missing_processor_files(folder: Path) -> list[str]:
    """Return which files of a processor a local model folder lacks, in words."""
    return [
        what
        for what, names in _PROCESSOR_FILES.items()
        if not any((folder / name).is_file() for name in names)
    ]


def cannot_write(processor: Any, prompts: str) -> str:
    """Return why a processor cannot write prompts, as a predicate; "" if it can.

    Args:
        processor: the loaded processor. Without mistral-common, Transformers silently makes another
            tokenizer from tekken.json, which takes no sound.
        prompts: what is to write them (:attr:`mata_audio.families.Family.prompts`).
    """
    tokenizer = processor.tokenizer
    if prompts == "template":
        found = processor.chat_template or tokenizer.chat_template
        return "" if found else "has no chat template (chat_template.jinja)"
    if type(tokenizer).__name__ == "MistralCommonBackend":
        return ""
    from transformers.utils import is_mistral_common_available

    if is_mistral_common_available():
        return "has no tekken.json, which mistral-common needs to write its prompts"
    return "needs mistral-common to write its prompts: pip install -U 'mistral-common[audio]'"


@contextmanager
def explained(what: str, kind: type[MataError] = ModelLoadError) -> Iterator[None]:
    """Turn errors inside a ``with`` block into a ``kind`` that says what failed, and why.

    This package's own errors say so already and stay as they are.
    """
    try:
        yield
    except MataError:
        raise
    except Exception as error:
        raise kind(f"{what}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Return why loading failed: a known cause in the chain, or the first line of the message."""
    chain = list(_chain(error))
    types = {base.__name__ for link in chain for base in type(link).__mro__}
    for name, words in _KNOWN_REASONS.items():
        if name in types:
            return words
    for link in chain:
        if packages := _packages(str(link)):
            needed = f"it needs {' and '.join(packages)}: pip install {' '.join(packages)}"
            return needed + (_FOR_CUDA if "torchaudio" in packages else "")
        for phrase, words in _KNOWN_PHRASES.items():
            if phrase in str(link):
                return words
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first_line = lines[0] if lines else type(error).__name__
    return textwrap.shorten(first_line, _LONGEST, placeholder=" ...")


def _packages(message: str) -> list[str]:
    """Return the packages that are missing according to Transformers' message, each once."""
    names = re.findall(r"requires the ([\w-]+) library", message)
    return list(dict.fromkeys(_PACKAGES.get(name, name.lower()) for name in names))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
