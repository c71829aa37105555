"""Files and models that are not there: the closest name in the same folder, and addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from mata_audio.errors import AudioError, ModelLoadError, SettingsError
from mata_audio.models import nearby
from mata_audio.models.addresses import download_advice
from mata_audio.models.audio import load_audio
from mata_audio.models.finding import find_model
from mata_audio.models.loading import load_weights
from mata_audio.models.on_disk import check_model


@pytest.mark.parametrize(
    ("missing", "meant"),
    [
        ("rian.wav", "rain.wav"),
        ("rain.mp3", "rain.wav"),
        ("RAIN", "rain.wav"),
        ("rain-2.wav", "rain.wav"),
        ("dog.wav", "dog.flac"),
        ("a.wav", None),  # only its suffix is like another's
        ("notes.wav", None),  # notes.txt is no audio
        ("thunder.wav", None),
        ("folder.wav", None),
    ],
)
def test_audio_files(tmp_path: Path, missing: str, meant: str | None) -> None:
    for name in ("rain.wav", "dog.flac", "dog.txt", "notes.txt", "b.wav"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folders").mkdir()
    with pytest.raises(AudioError, match="no such audio file") as caught:
        load_audio(tmp_path / missing, 16_000)
    ending = "" if meant is None else f' (did you mean "{tmp_path / meant}"?)'
    assert str(caught.value) == f"no such audio file: {tmp_path / missing}{ending}"


def test_a_folder_that_is_not_there_either(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such audio file") as caught:
        load_audio(tmp_path / "nowhere" / "rain.wav", 16_000)
    assert "did you mean" not in str(caught.value)


def test_a_huge_folder_costs_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "MOST", 3)
    for number in range(9):
        (tmp_path / f"{number}").write_bytes(b"x")
    asked: list[Path] = []
    nearby.did_you_mean_beside(tmp_path / "x", lambda entry: bool(asked.append(entry)))
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("given", "meant"),
    [("tinny", "tiny"), ("Tiny", "tiny"), ("./my-modle", "my-model"), ("xylophone", None)],
)
def test_models(
    given: str, meant: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my-model").mkdir()
    (tmp_path / "my-modle.txt").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for read in (find_model, check_model):
        with pytest.raises(ModelLoadError) as caught:
            read(given)
        if meant is None:
            assert "did you mean" not in str(caught.value)
        else:
            assert f'(did you mean "{meant}"?)' in str(caught.value)


def test_dtypes() -> None:
    found = find_model("tiny")
    with pytest.raises(SettingsError, match=r'got \'flaot32\' \(did you mean "float32"\?\)'):
        load_weights(found, dtype="flaot32")
    with pytest.raises(SettingsError, match=r"got 'int4'$"):
        load_weights(found, dtype="int4")


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("https://x.org/a.mp3?b=1&c=2", "curl -L -o clip.mp3 'https://x.org/a.mp3?b=1&c=2'"),
        ("HTTP://x.org/stream", "curl -L -o clip.wav http://x.org/stream"),
        ("https:/x.org/a.wav", "curl -L -o clip.wav https://x.org/a.wav"),  # as a Path has it
        ("https://x.org/a;reboot.wav", "curl -L -o clip.wav 'https://x.org/a;reboot.wav'"),
        ("s3://bucket/a.flac", "aws s3 cp s3://bucket/a.flac clip.flac"),
        ("gs://bucket/a.ogg", "gcloud storage cp gs://bucket/a.ogg clip.ogg"),
        (
            "hf://datasets/owner/name/data/a.wav",
            "hf download owner/name data/a.wav --repo-type dataset --local-dir .",
        ),
        ("hf://owner/name/a.wav", "hf download owner/name a.wav --repo-type model --local-dir ."),
    ],
)
def test_addresses_are_not_opened(address: str, advice: str) -> None:
    with pytest.raises(AudioError) as caught:
        load_audio(address, 16_000)
    assert str(caught.value) == (
        f"{address} is an address, and only files are read: download it first: {advice}"
    )


def test_what_is_no_address() -> None:
    for name in ("a.wav", "C:\\clips\\a.wav", "C:/clips/a.wav", "12:30.wav", "x/https:y.wav"):
        assert download_advice(name) is None
    assert download_advice("file:///tmp/a b.wav") == "give the file's path: '/tmp/a b.wav'"
