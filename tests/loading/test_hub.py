"""The hub is asked in a time that is kept, and a model in its cache is used without it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import RepositoryNotFoundError

from mata_audio.errors import ModelLoadError
from mata_audio.models.finding import find_model
from mata_audio.models.hub import cache_only, how_to_get, in_time, why_unreachable
from mata_audio.models.loading import load
from mata_audio.tiny import MODEL_PATH


def snapshot(cache: Path, name: str, *files: str) -> None:
    """Put files of the embedded model into a hub's cache under another name."""
    folder = cache / f"models--somebody--{name}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text("abc")
    (folder / "snapshots/abc").mkdir(parents=True)
    for path in MODEL_PATH.iterdir():
        if not files or path.name in files:
            shutil.copy(path, folder / "snapshots/abc")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's cache with a whole model, and with parts of two."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    processor = {path.name for path in MODEL_PATH.iterdir() if path.suffix != ".safetensors"}
    snapshot(tmp_path, "whole")
    snapshot(tmp_path, "bare", "config.json")
    snapshot(tmp_path, "weightless", *processor)
    return tmp_path


def test_an_answer_and_an_error_come_through() -> None:
    assert in_time(lambda: 3) == 3
    with pytest.raises(KeyError):
        in_time(lambda: {}["no"])


def test_a_name_server_that_hangs_is_not_waited_for(
    hanging_name_server: list[threading.Thread],
) -> None:
    assert why_unreachable("somebody/model") == (
        "the hub cannot be reached (ConnectionError: no answer within 0.2 s)"
    )
    assert hanging_name_server
    assert threading.main_thread() not in hanging_name_server


def test_a_hub_that_is_not_to_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert why_unreachable("somebody/model") == "HF_HUB_OFFLINE forbids the network"


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_hub_that_answers_is_reached_whatever_it_says(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unittest.mock import Mock

    ask = Mock(side_effect=RepositoryNotFoundError("no such repository", response=Mock()))
    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", ask)
    assert why_unreachable("somebody/model", kind) == ""
    assert ask.call_args.kwargs["repo_type"] == kind


def test_how_to_get_it() -> None:
    assert "hf download a/b --local-dir FOLDER. " in how_to_get("a/b")


def test_off_the_network_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with cache_only():
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE
    with cache_only(False):
        assert not constants.HF_HUB_OFFLINE


def test_a_model_in_the_cache_needs_no_hub(
    hanging_name_server: list[threading.Thread], cache: Path
) -> None:
    loaded = load("somebody/whole")
    assert loaded.name == "somebody/whole"
    assert threading.main_thread() not in hanging_name_server


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody/none", "there is no such folder here, it is not in the local cache, and the hub"),
        ("somebody/bare", "not complete in the hub's cache (the feature extractor (preprocessor"),
        ("somebody/weightless", "not complete in the hub's cache (there are no safetensors"),
    ],
)
def test_what_is_not_whole_in_the_cache_says_what_to_do(
    name: str, said: str, hanging_name_server: list[threading.Thread], cache: Path
) -> None:
    with pytest.raises(ModelLoadError) as caught:
        load(name)
    assert said in str(caught.value)
    assert f"hf download {name} --local-dir FOLDER" in str(caught.value)
    assert threading.main_thread() not in hanging_name_server


def test_what_needs_no_weights_is_content_without(
    hanging_name_server: list[threading.Thread], cache: Path
) -> None:
    assert find_model("somebody/weightless").cached
    assert not find_model("tiny").cached
    assert threading.main_thread() not in hanging_name_server
