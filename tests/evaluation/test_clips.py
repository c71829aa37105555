"""Finding clips: a path never leads to another clip, and what is read is known."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path, PurePosixPath

import pytest
from data_files import write_tar, write_zip
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.errors import AudioError, DataError
from mata_audio.evaluation import evaluate, load_results
from mata_audio.evaluation.data.audio_sources import FileAudio, MissingAudio
from mata_audio.evaluation.data.clips import Clips
from mata_audio.evaluation.tasks import task_named

NAMES = st.sampled_from(["a", "b", "speech", "music"])
FOLDERS = st.lists(NAMES, max_size=3)
PATHS = st.builds(lambda folders, name: "/".join([*folders, f"{name}.wav"]), FOLDERS, NAMES)


def write(folder: Path, *names: str) -> Path:
    """Write files that hold their own path."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_missing_clip_never_becomes_another(tmp_path: Path) -> None:
    clips = Clips(write(tmp_path, "music/001.wav"))
    with pytest.raises(
        AudioError,
        match=r"speech/001\.wav not found in .*: the folders in that path do not match those of "
        r"music/001\.wav; copy",
    ):
        clips.find("speech/001.wav").read()
    for elsewhere in ("data/music/001.wav", "/music/001.wav", "../music/001.wav", "x/../001.wav"):
        assert isinstance(clips.find(elsewhere), MissingAudio), elsewhere


def test_the_exact_path_and_a_path_further_down(tmp_path: Path) -> None:
    clips = Clips(write(tmp_path, "clips/a.wav", "old/clips/a.wav", "deep/er/b.wav", ".hid/d.wav"))
    exact = FileAudio(tmp_path / "clips/a.wav", "./clips/a.wav", "clips/a.wav")
    assert clips.find("./clips/a.wav") == exact
    for name in ("er/b.wav", "er\\b.wav", "b.wav"):
        found = clips.find(name)
        assert (found.name, found.place, found.read()) == (name, "deep/er/b.wav", b"deep/er/b.wav")
    with pytest.raises(AudioError, match=r"clip d.wav not found in .*copy the audio there"):
        clips.find("d.wav").read()


def test_the_folder_given_may_be_one_that_the_path_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "test-audios", "x.wav")
    monkeypatch.chdir(tmp_path / "test-audios")
    for folder in (tmp_path / "test-audios", Path("../test-audios"), Path()):
        found = Clips(folder).find("./test-audios/x.wav")
        assert (found.place, found.read()) == ("x.wav", b"x.wav")
        assert isinstance(Clips(folder).find("./train-audios/x.wav"), MissingAudio)


def test_of_several_that_fit_none_is_taken(tmp_path: Path) -> None:
    clips = Clips(write(tmp_path, "one/in/c.wav", "two/in/c.wav", "three/c.wav", "four/c.wav"))
    with pytest.raises(DataError, match=r"in/c.wav is ambiguous: one/in/c.wav and two/in/c.wav"):
        clips.find("in/c.wav")
    with pytest.raises(DataError, match=r"one/in/c.wav and three/c.wav and 1 more fit equally"):
        clips.find("c.wav")
    assert clips.find("one/in/c.wav").read() == b"one/in/c.wav"
    write(tmp_path, "question/three/c.wav")
    with pytest.raises(DataError, match=r"three/c.wav and question/three/c.wav fit equally"):
        Clips(tmp_path, tmp_path / "question").find("three/c.wav")


def test_links_to_one_file_are_one_clip(tmp_path: Path) -> None:
    (write(tmp_path, "one/c.wav") / "two").mkdir()
    (tmp_path / "two/c.wav").symlink_to(tmp_path / "one/c.wav")
    assert Clips(tmp_path).find("c.wav").read() == b"one/c.wav"


def test_archives_count_as_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    write_zip(folder / "speech.zip", {"1.wav": b"S", "in/2.wav": b"2"})
    write_tar(folder / "music.tar.gz", {"./1.wav": b"M"})
    clips = Clips(folder)
    for name, place, content in (
        ("speech/1.wav", "speech.zip:1.wav", b"S"),
        ("data/music/1.wav", "music.tar.gz:1.wav", b"M"),
        ("in/2.wav", "speech.zip:in/2.wav", b"2"),
        ("speech/in/2.wav", "speech.zip:in/2.wav", b"2"),
    ):
        found = clips.find(name)
        assert (found.name, found.place, found.read()) == (name, place, content)
    assert isinstance(clips.find("noise/1.wav"), MissingAudio)
    with pytest.raises(DataError, match=r"music.tar.gz:1.wav and speech.zip:1.wav fit equally"):
        clips.find("1.wav")


@given(there=st.sets(PATHS, max_size=6), wanted=PATHS)
def test_what_is_read_ends_with_the_path_asked_for(there: set[str], wanted: str) -> None:
    fitting = {
        path
        for path in there
        if PurePosixPath("root", path).parts[-len(PurePosixPath(wanted).parts) :]
        == PurePosixPath(wanted).parts
    }
    with tempfile.TemporaryDirectory() as folder:
        clips = Clips(write(Path(folder) / "root", *there))
        if wanted not in there and len(fitting) > 1:
            with pytest.raises(DataError, match="ambiguous"):
                clips.find(wanted)
            return
        found = clips.find(wanted)
        if not fitting:
            assert isinstance(found, MissingAudio)
            return
        expected = wanted if wanted in there else next(iter(fitting))
        assert (found.place, found.read()) == (expected, expected.encode())


def test_a_run_keeps_what_was_read(tmp_path: Path) -> None:
    clip = task_named("tiny").load(None, "test").items[0].audio[0]
    (tmp_path / "speech").mkdir()
    (tmp_path / "speech/1.wav").write_bytes(clip.read())
    record = {"id": "1", "audio": f"{tmp_path.name}/speech/1.wav", "question": "What is heard?"}
    (tmp_path / "mine.jsonl").write_text(json.dumps(record))
    results = evaluate("tiny", "jsonl", tmp_path / "run", data=tmp_path / "mine.jsonl", settings=())
    line = json.loads((tmp_path / "run/items.jsonl").read_text())
    assert (line["clips"][0]["name"], line["clips"][0]["place"]) == (
        record["audio"],
        "speech/1.wav",
    )
    assert [heard.place for heard in results.items[0].clips] == ["speech/1.wav"]
    assert load_results(tmp_path / "run").items == results.items
