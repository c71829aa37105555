"""What there is of a model on this machine, found out within seconds and without PyTorch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mata_audio.errors import MataError, ModelLoadError
from mata_audio.models.hub import HUB_SECONDS, how_to_get, in_time, why_unreachable
from mata_audio.models.load_errors import explained, missing_processor_files, reason
from mata_audio.models.nearby import did_you_mean_beside
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.tiny import MODEL_PATH, TINY

_INDEX = "model.safetensors.index.json"


def check_source(source: str) -> None:
    """Refuse what can be neither a model folder nor a hub id, before the network is used.

    Raises:
        ModelLoadError: the message says why.
    """
    path = Path(source)
    if not source.strip():
        raise ModelLoadError("no model was named: give 'tiny', a folder or a hub id")
    if path.is_dir():
        config = path / "config.json"
        if not config.is_file():
            raise ModelLoadError(
                f"{source} is not a model folder, as it has no config.json: give the folder that "
                "save_pretrained wrote"
            )
        _json_object(config)
    elif path.exists():
        raise ModelLoadError(f"{source} is a file: give the model's folder")
    elif source[0] in "./~" or len(path.parts) > 2:
        raise ModelLoadError(f"no such model folder: {source}{did_you_mean_model(source)}")


def did_you_mean_model(source: str) -> str:
    """Return the ending of a message on a model that is not there: what was probably meant."""
    return did_you_mean(source, [TINY]) or did_you_mean_beside(Path(source), Path.is_dir)


def check_model(source: str) -> int:
    """Check that a model's files are there or can be downloaded; return the bytes to download.

    Only what takes no time: the files may still be damaged, or of an unsupported model.

    Args:
        source: ``"tiny"``, a folder or a hub id.

    Raises:
        ModelLoadError: files are missing, and cannot be downloaded.
    """
    source = str(MODEL_PATH) if source == TINY else source
    check_source(source)
    if Path(source).is_dir():
        missing = missing_files(Path(source))
        if missing:
            raise ModelLoadError(f"{source} is not complete: {' and '.join(missing)}")
        return 0
    with explained(f"cannot read the configuration of {source}"):
        cached = _cached(source)
    lacking = ["nothing is there"] if cached is None else missing_files(cached)
    if not lacking:
        return 0
    try:
        return _weights_to_download(source, cached or Path())
    except MataError:
        raise
    except Exception as error:  # from the hub or the network: the advice is the same
        what = f"cannot read the configuration of {source}{did_you_mean_model(source)}"
        if cached is not None:
            what = f"{source} is not complete in the hub's cache ({' and '.join(lacking)})"
        raise ModelLoadError(f"{what}: {reason(error)}") from error


def reachable(hub_id: str) -> bool:
    """Return whether files of a model can be had from the hub, and not only from its cache.

    Raises:
        ModelLoadError: they cannot, and the cache does not even have the configuration.
    """
    why = why_unreachable(hub_id)
    cached = _cached(hub_id) if why else None
    if why and cached is None:
        advice = how_to_get(hub_id) if "/" in hub_id else "A hub id looks like Qwen/Qwen2.5-Omni-7B"
        raise ModelLoadError(
            f"cannot read the configuration of {hub_id}{did_you_mean_model(hub_id)}: there is no "
            f"such folder here, it is not in the local cache, and {why}. {advice}"
        )
    if cached is not None and (missing := missing_processor_files(cached)):
        raise _incomplete(hub_id, [f"{what} missing" for what in missing], why)
    return not why


def check_cached(hub_id: str) -> None:
    """Check that the cache has all of a model whose hub cannot be reached.

    Raises:
        ModelLoadError: files are missing.
    """
    cached = _cached(hub_id)
    if cached is not None and (missing := missing_files(cached)):
        raise _incomplete(hub_id, missing, "the hub cannot be reached")


def _incomplete(hub_id: str, missing: Sequence[str], why: str) -> ModelLoadError:
    return ModelLoadError(
        f"{hub_id} is not complete in the hub's cache ({' and '.join(missing)}), and {why}. "
        f"{how_to_get(hub_id)}"
    )


def missing_files(folder: Path) -> list[str]:
    """Return what a model folder lacks, in words.

    Raises:
        ModelLoadError: the list of its weights is damaged.
    """
    index = folder / _INDEX
    found = [f"{what} missing" for what in missing_processor_files(folder)]
    if index.is_file():
        names = sorted(set(_json_object(index).get("weight_map", {}).values()))
        gone = [name for name in names if not (folder / name).is_file()]
        if gone:
            found.append(f"{len(gone)} of {len(names)} files of weights missing, such as {gone[0]}")
    elif not any(folder.glob("*.safetensors")):
        found.append(
            "there are no safetensors weights; pickled ones (.bin) can run code and are not read"
        )
    return found


def _json_object(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{path} is not JSON ({error}): copy it again") from error
    if not isinstance(data, dict):
        raise ModelLoadError(f"{path} must hold a JSON object; got {type(data).__name__}")
    return data


def _cached(hub: str) -> Path | None:
    """Return the folder of a model in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub, "config.json")
    return Path(found).parent if isinstance(found, str) else None


def _weights_to_download(hub: str, there: Path) -> int:
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_CACHE

    found = in_time(lambda: HfApi().model_info(hub, timeout=HUB_SECONDS, files_metadata=True))
    files = found.siblings or []
    weights = [file for file in files if file.rfilename.endswith(".safetensors")]
    size = sum(file.size or 0 for file in weights if not (there / file.rfilename).is_file())
    free = free_bytes(Path(HF_HUB_CACHE))
    if size > free:
        raise ModelLoadError(
            f"{hub} has {size / 1e9:.1f} GB of weights to download, but only {free / 1e9:.1f} GB "
            f"are free at {HF_HUB_CACHE}: free space there, or set HF_HOME to another disk"
        )
    return size


def model_type(source: str) -> str | None:
    """Return the ``model_type`` in a model's config.json; None if it is not on this machine."""
    folder = Path(MODEL_PATH if source == TINY else source)
    found = folder if folder.is_dir() else _cached(source)
    kind = None if found is None else _json_object(found / "config.json").get("model_type")
    return kind if isinstance(kind, str) else None


def free_bytes(path: Path) -> int:
    """Return how many bytes are free on the disk where a path is, or would be."""
    there = path.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free
