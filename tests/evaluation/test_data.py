"""Question files and clips: every layout, every error."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from data_files import write_parquet, write_tar, write_zip

from mata_audio.errors import AudioError, DataError, SettingsError
from mata_audio.evaluation.data import audio_sources
from mata_audio.evaluation.data.audio_sources import (
    FileAudio,
    MissingAudio,
    ParquetAudio,
    TarAudio,
    ZipAudio,
)
from mata_audio.evaluation.data.choices import parse_choices, with_letter, without_prefixes
from mata_audio.evaluation.data.clips import Clips
from mata_audio.evaluation.data.known_versions import KNOWN_VERSIONS, version_of
from mata_audio.evaluation.data.question_files import find_questions
from mata_audio.evaluation.item import Dataset
from mata_audio.evaluation.tasks import TASKS, task_named

RECORD = {"id": "a", "audio": "clips/a.wav", "question": "What?", "choices": ["x", "y"]}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate cache for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mata-audio"


def load(content: str | bytes | list[Any], folder: Path, name: str = "questions.jsonl") -> Dataset:
    """Load a file of the user's questions with this content."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    if isinstance(content, list):
        content = json.dumps(content)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return TASKS["jsonl"].load(file, "test")


def test_json_list_and_json_lines_are_read_alike(tmp_path: Path) -> None:
    records = [RECORD, {**RECORD, "id": 2}]
    lines = "\n\n".join(map(json.dumps, records)) + "\n"
    as_list, as_lines = load(records, tmp_path / "a"), load("\ufeff" + lines, tmp_path / "b")
    assert as_list.items[0].question == as_lines.items[0].question == "What?"
    assert [item.id for item in as_list.items] == [item.id for item in as_lines.items] == ["a", "2"]


@pytest.mark.parametrize(
    ("category", "group"),
    [
        *(("x", "x"), ("", ""), (3, "3"), (3.0, "3"), ("3", "3"), (2.5, "2.5"), (0, "0")),
        *((True, "true"), (1e300, f"{10**300:.0f}"), (None, None), (float("nan"), None)),
    ],
)
def test_numbers_name_groups_too(category: Any, group: str | None, tmp_path: Path) -> None:
    (item,) = load([{**RECORD, "category": category}], tmp_path).items
    assert item.groups == ({} if group is None else {"category": group})


def test_sha256_of_the_question_file_is_kept(tmp_path: Path) -> None:
    dataset = load([RECORD], tmp_path)
    content = (tmp_path / "questions.jsonl").read_bytes()
    assert dataset.files == {"questions.jsonl": hashlib.sha256(content).hexdigest()}
    assert dataset.version is None


def test_files_of_one_name_in_several_folders_are_told_apart(tmp_path: Path) -> None:
    row = {"question": "?", "choice_a": "x", "choice_b": "y", "answer_gt": "x"}
    for folder in ("train", "test"):
        (tmp_path / "default").mkdir(exist_ok=True)
        name = tmp_path / "default" / folder / "0000.parquet"
        write_parquet(name, [{**row, "id": folder, "audio": {"bytes": b"RIFF"}}])
    files = TASKS["mmsu"].load(tmp_path, "test").files
    assert list(files) == ["default/test/0000.parquet", "default/train/0000.parquet"]
    assert len(set(files.values())) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no records"),
        ("[]", "holds no records"),
        ("[1]", "record 1 is 1, not an object"),
        ('[{"id": 1},\n oops]', "is not JSON: Expecting value: line 2 column 2"),
        (json.dumps(RECORD) + "\n{oops", "line 2: Expecting property name"),
        (b"\xff\xfe", "cannot be read as UTF-8 text"),
        ("version https://git-lfs.github.com/spec/v1\n", "run git lfs pull"),
        ([{**RECORD, "id": None}], "record 1 (id None): id is missing"),
        ([RECORD, {"id": "b", "audio": "b.wav"}], "record 2 (id b): question is missing"),
        ([{**RECORD, "question": ["?"]}], "question is ['?'], not text"),
        ([{**RECORD, "audio": None}], "audio must be a path or a list of paths, not None"),
        ([{**RECORD, "choices": "x or y"}], "choices are not a list: 'x or y'"),
        (
            [{**RECORD, "question": "a \ud83d dog"}],
            "'question' is not valid Unicode: it holds '\\ud83d'",
        ),
        ([{**RECORD, "extra": [{"x\udfff": 1}]}], "record 1 (id a): 'extra' is not valid Unicode"),
        ([{**RECORD, "x\udfff": 1}], "'x\\udfff' is not valid Unicode"),
        ([{**RECORD, "question": float("nan")}], "question is nan, not text"),
        ([{**RECORD, "category": ["x"]}], "category is ['x']: give text or a number"),
        ("[" * 100_000, "is not JSON"),
        ('[{"id": 1, "id": 2}]', "an object has the field 'id' more than once"),
        ('{"id": 1, "answer": "a", "answer": "b"}', "line 1: an object has the field 'answer'"),
        ([RECORD, RECORD], "1 ids occur more than once, for example a"),
    ],
)
def test_damaged_question_files_are_refused(
    content: str | bytes | list[Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        load(content, tmp_path)
    assert "questions.jsonl" in str(caught.value)


def test_missing_files_are_named_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "audio").mkdir()
    looked_for = r"looked for MMAR-meta.jsonl, MMAR-meta.json; found audio/"
    with pytest.raises(DataError, match=looked_for):
        TASKS["mmar"].load(tmp_path, "test")
    with pytest.raises(DataError, match=r"no such folder or file: \./nowhere"):
        TASKS["mmar"].load("./nowhere", "test")
    with pytest.raises(DataError, match=r"no data given: .*BoJack/MMAR"):
        TASKS["mmar"].load(None, "test")


def test_of_several_question_files_one_must_be_named(tmp_path: Path) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        load([RECORD], tmp_path, name)
    with pytest.raises(DataError, match=r"\(one.jsonl, two.jsonl\): give the one to use"):
        TASKS["jsonl"].load(tmp_path, "test")


def test_unknown_tasks_and_splits_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"no such task: 'mmao' .*; allowed are mmau, mmar"):
        task_named("mmao")
    with pytest.raises(SettingsError, match="no such split: 'train'; allowed are test-mini, test"):
        task_named("mmau").load("anywhere", "train")


def test_hub_ids_are_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load([RECORD], tmp_path / "snapshot")
    download = Mock(return_value=str(tmp_path / "snapshot"))
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert TASKS["jsonl"].load("owner/name", "test").items[0].id == "a"
    (call,) = download.call_args_list
    assert (*call.args, call.kwargs["repo_type"]) == ("owner/name", "dataset")


def test_failed_downloads_say_how_to_do_it_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    download = Mock(side_effect=ConnectionError("no route to host\nmore"))
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(DataError) as caught:
        TASKS["mmar"].load("BoJack/MMAR", "test")
    assert "(no route to host)" in str(caught.value)
    assert "hf download BoJack/MMAR --repo-type dataset" in str(caught.value)


def test_a_missing_clip_does_not_hinder_loading(tmp_path: Path) -> None:
    (audio,) = load([RECORD], tmp_path).items[0].audio
    assert audio.name == "clips/a.wav"
    with pytest.raises(AudioError, match=r"clip clips/a\.wav not found"):
        audio.read()


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_clips_in_tar_archives(mode: str, tmp_path: Path, cache: Path) -> None:
    name = "audio.tar.gz" if mode == "w:gz" else "audio.tar"
    archive = write_tar(tmp_path / name, {"./clips/a.wav": b"A", "other/b.wav": b"B"}, mode)
    clips = Clips(tmp_path)
    assert isinstance(clips.find("clips/a.wav"), TarAudio)
    assert clips.find("clips/a.wav").read() == b"A"
    assert clips.find("b.wav").read() == b"B"
    assert list(tmp_path.glob("**/clips/a.wav")) == list(cache.glob("archives/*/clips/a.wav"))
    assert cache.exists() == (mode == "w:gz")
    with pytest.raises(AudioError, match=r"has no member z\.wav"):
        TarAudio(archive, "z.wav").read()


def test_compressed_tar_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_tar(tmp_path / "a.tgz", {"a.wav": b"A", "b.wav": b"B"})
    assert TarAudio(archive, "a.wav").read() == b"A"
    audio_sources._tar_members.cache_clear()
    monkeypatch.setattr(audio_sources, "_unpack", None)
    assert TarAudio(archive, "b.wav").read() == b"B"


@pytest.mark.parametrize("name", ["../evil.wav", "/evil.wav", "a/../../evil.wav"])
def test_unsafe_tar_archives_are_refused(name: str, tmp_path: Path, cache: Path) -> None:
    archive = write_tar(tmp_path / "a.tar.gz", {name: b"A"})
    with pytest.raises(AudioError, match="is unsafe: it holds the path"):
        TarAudio(archive, name).read()
    assert not list(tmp_path.rglob("evil.wav"))
    assert not list((cache / "archives").iterdir())


def test_clips_in_zip_archives(tmp_path: Path) -> None:
    write_zip(tmp_path / "data.zip", {"data/a.wav": b"A"})
    (clip, missing) = (Clips(tmp_path).find(name) for name in ("data/a.wav", "data/b.wav"))
    assert clip == ZipAudio(tmp_path / "data.zip", "data/a.wav", "data/a.wav")
    assert clip.read() == b"A"
    assert isinstance(missing, MissingAudio)
    with pytest.raises(AudioError, match="has no member b"):
        ZipAudio(tmp_path / "data.zip", "b").read()


def test_an_unpacked_clip_is_preferred_to_its_archive(tmp_path: Path) -> None:
    (tmp_path / "x/data").mkdir(parents=True)
    (tmp_path / "x/data/a.wav").write_bytes(b"unpacked")
    write_zip(tmp_path / "data.zip", {"data/a.wav": b"packed"})
    assert Clips(tmp_path).find("data/a.wav").read() == b"unpacked"


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_damaged_archives_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b damaged")
    with pytest.raises(DataError, match=rf"archive .*{name} cannot be used"):
        Clips(tmp_path).find("a.wav")


def test_audio_on_disk(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"A")
    assert FileAudio(tmp_path / "a.wav").name == "a.wav"
    with pytest.raises(AudioError, match=r"no such audio file: .*b\.wav; copy"):
        FileAudio(tmp_path / "b.wav").read()
    with pytest.raises(AudioError, match="cannot be read: Is a directory"):
        FileAudio(tmp_path).read()


def test_parquet_rows_are_read_in_any_order(tmp_path: Path) -> None:
    contents = [*(b"%d" % row for row in range(100)), None]
    write_parquet(tmp_path / "a.parquet", [{"clip": content} for content in contents], 90)
    rows = [0, 1, 80, 60, 3, 89, *range(90, 100)]
    clips = [ParquetAudio(tmp_path / "a.parquet", r // 90, r % 90, "clip", str(r)) for r in rows]
    assert [clip.read() for clip in clips] == [b"%d" % row for row in rows]
    with pytest.raises(AudioError, match="holds no audio for none: column clip"):
        ParquetAudio(tmp_path / "a.parquet", 1, 10, "clip", "none").read()
    with pytest.raises(AudioError, match=r"cannot be read from .*gone.parquet"):
        ParquetAudio(tmp_path / "gone.parquet", 0, 0, "clip", "a").read()


def test_files_that_are_not_parquet_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "test.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match=r"test\.parquet is not a readable parquet file"):
        TASKS["mmau-pro"].load(tmp_path, "test")


def test_a_question_file_in_a_subfolder(tmp_path: Path) -> None:
    (tmp_path / "question").mkdir()
    file = tmp_path / "question/mmsu.jsonl"
    file.touch()
    layouts = {"test": ("question/mmsu.jsonl",)}
    assert find_questions(file, "test", layouts, "").folder == tmp_path
    assert find_questions(tmp_path, "test", layouts, "").files == (file,)


@pytest.mark.parametrize(
    ("value", "choices"),
    [
        (["a", None, "a", 3], ("a", "a", "3")),
        ("['it''s', \"b\"]", ("its", "b")),
        ('["a", "b"]', ("a", "b")),
        (None, ()),
        ([], ()),
    ],
)
def test_choices_come_as_lists_or_as_text(value: Any, choices: tuple[str, ...]) -> None:
    assert parse_choices(value) == choices


def test_prefixes_are_stripped_if_every_choice_has_one() -> None:
    assert without_prefixes(("(A) x", "(B)y"), "(B)y") == (("x", "y"), "y")
    assert without_prefixes(("(A) x", "y"), "(A) x") == (("(A) x", "y"), "(A) x")
    assert without_prefixes((), None) == ((), None)


def test_a_choice_becomes_its_letter() -> None:
    choices = ("Man", "a Woman", "A")
    assert with_letter(" a woman\n", choices) == "B"
    assert with_letter("A", choices) == "A"
    assert with_letter("C. a", choices) == "C. a"


def test_known_versions_are_sha256_sums() -> None:
    assert all(len(digest) == 64 and int(digest, 16) for digest in KNOWN_VERSIONS)
    assert len(set(KNOWN_VERSIONS.values())) == len(KNOWN_VERSIONS)
    digest, name = next(iter(KNOWN_VERSIONS.items()))
    assert version_of({"a": digest}) == name
    assert version_of({"a": digest, "b": "unknown"}) is None
