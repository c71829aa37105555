"""What there is of a model: said without loading it, and without waiting for the hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from mata_audio.errors import ModelLoadError
from mata_audio.models import on_disk
from mata_audio.models.on_disk import check_model, free_bytes, missing_files, model_type
from mata_audio.tiny import TINY

HUB = "owner/name"
INDEX = {"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors", "c": "m-1.safetensors"}}


@pytest.fixture
def folder(tmp_path: Path, qwen2_audio_folder: Path) -> Path:
    return Path(shutil.copytree(qwen2_audio_folder, tmp_path / "model"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The hub's answer about a model that is not in the cache."""
    info = Mock(side_effect=ConnectionError("no route"))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", info)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", Mock(return_value=None))
    return info


def files(**sizes: int) -> Any:
    """The hub's list of files."""
    return SimpleNamespace(
        siblings=[SimpleNamespace(rfilename=name, size=size) for name, size in sizes.items()]
    )


def test_what_is_there_needs_no_download(folder: Path) -> None:
    assert check_model(TINY) == check_model(str(folder)) == 0
    assert (model_type(TINY), model_type(str(folder))) == ("qwen2_audio", "qwen2_audio")


def test_everything_that_a_folder_lacks_is_said_together(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(INDEX))
    (folder / "m-1.safetensors").touch()
    for name in ("tokenizer.json", "vocab.json"):
        (folder / name).unlink(missing_ok=True)
    said = " and ".join(missing_files(folder))
    assert said.startswith("the tokenizer (tokenizer.json, vocab.json or tekken.json) missing and")
    assert said.endswith("1 of 2 files of weights missing, such as m-2.safetensors")
    with pytest.raises(ModelLoadError, match=r"is not complete: the tokenizer .* and 1 of 2 files"):
        check_model(str(folder))
    (folder / "model.safetensors.index.json").write_text("{")
    with pytest.raises(ModelLoadError, match=r"index\.json is not JSON"):
        check_model(str(folder))


def test_a_folder_without_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert missing_files(folder)[0].startswith("there are no safetensors weights; pickled ones")


@pytest.mark.parametrize("name", ["./nowhere", "a/b/c", "", "not a hub/id"])
def test_names_that_cannot_be_models(name: str) -> None:
    with pytest.raises(ModelLoadError):
        check_model(name)


def test_without_cache_and_hub_it_says_so_at_once(hub: Mock) -> None:
    with pytest.raises(ModelLoadError, match=rf"configuration of {HUB}: .*hub cannot be reached"):
        check_model(HUB)
    assert hub.call_args.kwargs["timeout"] == on_disk.HUB_SECONDS <= 10


def test_what_is_to_be_downloaded_must_fit_on_the_disk(
    hub: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.side_effect = None
    hub.return_value = files(**{"a.safetensors": 7, "b.safetensors": 3, "pytorch_model.bin": 99})
    monkeypatch.setattr(on_disk, "free_bytes", lambda path: 10)
    assert check_model(HUB) == 10
    monkeypatch.setattr(on_disk, "free_bytes", lambda path: 9)
    with pytest.raises(ModelLoadError, match=r"GB of weights to download, but only .* set HF_HOME"):
        check_model(HUB)


def test_a_part_in_the_cache_is_continued_or_named(
    hub: Mock, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = Mock(return_value=str(folder / "config.json"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)
    assert check_model(HUB) == 0
    assert not hub.called
    (folder / "model.safetensors.index.json").write_text(json.dumps(INDEX))
    (folder / "m-1.safetensors").touch()
    with pytest.raises(ModelLoadError, match=r"cache \(1 of 2 files .* m-2.safetensors\): "):
        check_model(HUB)
    hub.side_effect = None
    hub.return_value = files(**{"m-1.safetensors": 7, "m-2.safetensors": 3})
    assert check_model(HUB) == 3


def test_free_space_is_that_of_the_folder_to_come(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not/yet") == pytest.approx(free_bytes(tmp_path), rel=0.1)
