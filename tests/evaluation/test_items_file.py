"""Finished items on disk: whole lines survive everything, a torn last line is redone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.errors import RunError
from mata_audio.storage.items_file import ItemStore
from mata_audio.storage.run_folder import RunFolder, differences

LINES = [
    {"id": "a", "answers": {"baseline": "one\ntwo \u2028 \ud800 é"}},
    {"id": "b", "error": "AudioError: b.wav is empty"},
    {"id": "c", "answers": {"baseline": ""}},
]


def test_what_was_appended_is_there(tmp_path: Path) -> None:
    store = ItemStore(tmp_path / "items.jsonl")
    store.append(LINES[:1])
    store.append(LINES[1:])
    assert dict(store.lines) == {line["id"]: line for line in LINES}
    assert dict(ItemStore(tmp_path / "items.jsonl").lines) == dict(store.lines)


def test_the_last_line_of_an_id_counts(tmp_path: Path) -> None:
    store = ItemStore(tmp_path / "items.jsonl")
    store.append([LINES[1], {"id": "b", "answers": {"baseline": "x"}}])
    assert "error" not in ItemStore(tmp_path / "items.jsonl").lines["b"]


def test_a_file_cut_anywhere_keeps_its_whole_batches_and_goes_on(tmp_path: Path) -> None:
    """As if the process had been killed after any byte, in a batch of one or of two."""
    whole = tmp_path / "whole.jsonl"
    ItemStore(whole).append(LINES[:1])
    ItemStore(whole).append(LINES[1:])
    content = whole.read_bytes()
    ends = [i for i, byte in enumerate(content) if byte == ord("\n")]
    for size in range(len(content) + 1):
        path = tmp_path / "cut.jsonl"
        path.write_bytes(content[:size])
        store = ItemStore(path)
        batches = [end < size for end in (ends[0], ends[2])]
        assert [*store.lines] == [*"a"[: batches[0]], *"bc"[: 2 * batches[1]]]
        assert store.written == len(store.lines)
        if not batches[0]:
            store.append(LINES[:1])
        if not batches[1]:
            store.append(LINES[1:])
        assert path.read_bytes() == content


@pytest.mark.parametrize("damage", [b"{not json}\n", b"[1]\n", b'{"no": "id"}\n', b"\xff\xfe\n"])
def test_a_damaged_line_is_named(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "items.jsonl"
    ItemStore(path).append(LINES)
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + damage + b"".join(rest))
    with pytest.raises(RunError, match=r"line 2 of .*items\.jsonl is damaged"):
        ItemStore(path)


@given(st.data())
def test_every_edited_byte_is_noticed(data: st.DataObject) -> None:
    """Only the end of the file may be missing: any other change is refused, and the item named."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.jsonl"
        ItemStore(path).append(LINES)
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
        path.write_bytes(content)
        number = content[:at].count(b"\n") + 1
        if at == len(content) - 1:  # the last line has no end any more, and with it the batch
            assert not ItemStore(path).lines
            return
        with pytest.raises(RunError, match=rf"line {number} of .*items\.jsonl"):
            ItemStore(path)


@pytest.mark.parametrize(("before", "after"), [("one", "two"), ('"b"', '"d"')])
def test_an_edited_answer_is_noticed_and_named(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "items.jsonl"
    ItemStore(path).append(LINES)
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(RunError, match=r"line \d of .* \(item '\w'\) was changed"):
        ItemStore(path)


def test_a_removed_line_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    ItemStore(path).append(LINES)
    first, _, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + last)
    with pytest.raises(RunError, match=r"missing before line 2 of .* \(item 'c'\)"):
        ItemStore(path)


def test_lines_are_synced_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    path = tmp_path / "items.jsonl"
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(path.read_bytes())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    ItemStore(path).append(LINES)
    assert synced[0] == path.read_bytes()


def test_differences_are_said_in_words() -> None:
    before = {"template": {"name": "a", "text": "x"}, "data": {"f": "1"}, "seed": 0}
    after = {"template": {"name": "b", "text": "x"}, "data": {"f": "1"}, "device": "cpu", "seed": 0}
    assert differences(before, after) == [
        'template.name was "a", is now "b"',
        'device was null, is now "cpu"',
    ]
    assert differences(before, before) == []


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="neither a run nor empty"):
        RunFolder(tmp_path).check_identity({})
    with pytest.raises(RunError, match=r"has no run\.json"):
        RunFolder(tmp_path / "none").manifest()


def test_a_manifest_of_another_kind_is_refused(tmp_path: Path) -> None:
    for content in ("{", "[]", '{"format": 99}'):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(RunError, match=r"run\.json"):
            RunFolder(tmp_path).manifest()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path).locked(),
        pytest.raises(RunError, match="another process"),
        RunFolder(tmp_path).locked(),
    ):
        pass
    with RunFolder(tmp_path).locked():
        pass
