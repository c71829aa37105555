"""``mata demo --out``: it replaces what an earlier demo wrote, and no other file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from running import Mata, error_line

from mata_audio.cli.demo.own_files import LIST, OwnFiles
from mata_audio.errors import SettingsError

PAGE = "report.html"


def test_a_second_demo_replaces_the_first_ones_files(mata: Mata, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert mata("demo", "--items", "6", "--out", out).code == 0
    first = (out / PAGE).read_bytes()
    (out / "pictures").mkdir(exist_ok=True)
    mine = out / "pictures" / "mine.svg"
    mine.write_text("<svg>not the demo's</svg>")
    assert mata("demo", "--items", "12", "--out", out).code == 0
    assert (out / PAGE).read_bytes() != first
    assert mine.read_text() == "<svg>not the demo's</svg>"
    listed = json.loads((out / LIST).read_text("utf-8"))["files"]
    assert mine.name not in str(listed)
    for name, digests in listed.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() in digests


@pytest.mark.parametrize("name", [PAGE, "pictures/accuracy.svg", "pictures/layer_head_map.png"])
def test_a_foreign_file_is_refused_before_the_run(mata: Mata, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    mine = out / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    outcome = mata("demo", "--items", "6", "--out", out, "--keep-clips", tmp_path / "clips")
    assert outcome.code == 2
    said = error_line(outcome)
    assert str(mine) in said
    assert "move it away, or give another folder with --out" in said
    assert [path for path in out.rglob("*") if path.is_file()] == [mine]
    assert mine.read_text() == "mine"
    assert not (tmp_path / "clips").exists()


def test_a_changed_file_is_refused_and_kept(mata: Mata, tmp_path: Path) -> None:
    assert mata("demo", "--items", "6", "--out", tmp_path).code == 0
    page = tmp_path / PAGE
    changed = page.read_text("utf-8") + "<!-- my note -->"
    page.write_text(changed, encoding="utf-8")
    outcome = mata("demo", "--items", "6", "--out", tmp_path)
    assert outcome.code == 2
    assert str(page) in error_line(outcome)
    assert page.read_text("utf-8") == changed


def test_another_list_of_that_name_is_refused(mata: Mata, tmp_path: Path) -> None:
    for content in (
        "my list",
        "[]",
        '{"files": {}}',
        '{"written by": "me", "files": {"a": ["b"]}}',
    ):
        (tmp_path / LIST).write_text(content)
        outcome = mata("demo", "--items", "6", "--out", tmp_path)
        assert outcome.code == 2
        assert LIST in error_line(outcome)
        assert (tmp_path / LIST).read_text() == content


def test_a_file_that_appears_during_the_run_is_kept(tmp_path: Path) -> None:
    files = OwnFiles(tmp_path)
    files.check([PAGE])
    (tmp_path / PAGE).write_text("mine")
    with pytest.raises(SettingsError, match="was not written by mata demo"):
        files.save(PAGE, b"the demo's")
    assert (tmp_path / PAGE).read_text() == "mine"


def test_a_demo_that_was_killed_while_writing_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the list and the file was written last, both states are known."""
    OwnFiles(tmp_path).save(PAGE, b"first")
    real = "mata_audio.cli.demo.own_files.write_atomically"
    from mata_audio.storage.atomic_file import write_atomically

    def only_the_list(path: Path, content: str | bytes) -> None:
        if path.name != LIST:
            raise KeyboardInterrupt
        write_atomically(path, content)

    monkeypatch.setattr(real, only_the_list)
    with pytest.raises(KeyboardInterrupt):
        OwnFiles(tmp_path).save(PAGE, b"second")
    monkeypatch.undo()
    assert (tmp_path / PAGE).read_bytes() == b"first"
    OwnFiles(tmp_path).save(PAGE, b"third")
    assert (tmp_path / PAGE).read_bytes() == b"third"
    OwnFiles(tmp_path).check([PAGE])


def test_folders_and_links_in_the_way_are_refused(tmp_path: Path) -> None:
    (tmp_path / "as-folder" / PAGE).mkdir(parents=True)
    (tmp_path / "as-link").mkdir()
    (tmp_path / "as-link" / PAGE).symlink_to(tmp_path / "nowhere")
    for folder in ("as-folder", "as-link"):
        with pytest.raises(SettingsError, match=PAGE):
            OwnFiles(tmp_path / folder).check([PAGE])
