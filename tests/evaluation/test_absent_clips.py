"""Where a clip cannot be played, the page says so in the player's place, and why."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hostile_results import ITEMS, item, results
from test_report_browser import silence

from mata_audio.cli.commands import report as report_command
from mata_audio.errors import AudioError
from mata_audio.evaluation import evaluate
from mata_audio.evaluation.data.audio_sources import FileAudio
from mata_audio.evaluation.item import AudioSource, Dataset, Item
from mata_audio.evaluation.report import ClipMedia, render_report, report_clips
from pages import Open, OpenedPage


@dataclass(frozen=True)
class Broken:
    """A clip that cannot be read."""

    name: str

    def read(self) -> bytes:
        raise AudioError(f"{self.name} is not in the archive")


@dataclass(frozen=True)
class Sound:
    name: str

    def read(self) -> bytes:
        return silence()


def dataset(*sources: AudioSource) -> Dataset:
    """The items of :func:`results`, the first ones with these clips."""
    every = [*sources, *(Sound(f"{n}.wav") for n in range(len(sources), ITEMS))]
    items = [Item(item(n).id, (own,), "?", (), None) for n, own in enumerate(every)]
    return Dataset("colours", "test", tuple(items), {})


def said(opened: OpenedPage, number: int) -> str:
    """What stands in the place of an item's player; there is no player beside it."""
    clip = opened.view.locator(".item").nth(number).locator(".clip")
    assert clip.locator("audio").count() == 0
    return str(clip.locator(".silent").inner_text())


def players(opened: OpenedPage) -> int:
    return int(opened.view.locator(".item audio").count())


def test_a_page_made_without_clips(open_page: Open) -> None:
    for why, expected in (
        ("", "This page was made without the clips."),
        ("The disk was full.", "The disk was full."),
    ):
        opened = open_page(render_report(results(), {}, why_absent=why))
        assert players(opened) == 0
        assert {said(opened, number) for number in range(10)} == {expected}
        assert opened.view.locator(".clip").first.locator("bdi").inner_text() == "0.wav"


def test_clips_that_were_left_out_to_keep_the_page_small(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mata_audio.evaluation.report.clips.MOST_EMBEDDED", 12 * len(silence()))
    found = report_clips(results(), dataset(), tmp_path / "report.html", "some")
    opened = open_page(render_report(results(), found))
    opened.view.select_option(".pager select", "50")
    assert players(opened) == 12 - sum(item(n).id in found for n in range(50, ITEMS))
    assert item(9).id not in found
    assert said(opened, 9) == "This clip was left out to keep the page small."


@pytest.mark.parametrize("how", ["embed", "link"])
def test_clips_that_cannot_be_read(how: str, open_page: Open, tmp_path: Path) -> None:
    missing = FileAudio(tmp_path / "data" / "gone.wav", "1.wav")
    broken = dataset(Broken("0.wav"), missing)
    found = report_clips(results(), broken, tmp_path / "report.html", how)
    opened = open_page(render_report(results(), found))
    assert said(opened, 0) == "This clip could not be read: 0.wav is not in the archive."
    gone = {
        "embed": f"This clip could not be read: no such audio file: {tmp_path}/data/gone.wav; copy",
        "link": "There was no file at data/gone.wav when this page was made.",
    }
    assert said(opened, 1).startswith(gone[how])
    assert players(opened) == 8  # of ten items


def test_a_clip_elsewhere_is_not_loaded(open_page: Open) -> None:
    media = {item(0).id: [ClipMedia("0.wav", "https://example.org/a.wav")]}
    opened = open_page(render_report(results(), media))
    assert said(opened, 0) == "This page plays only clips that are in it, or files beside it."
    opened.assert_harmless()


def test_a_clip_that_the_benchmark_has_no_more(open_page: Open) -> None:
    here = {item(0).id: []}
    opened = open_page(render_report(results(), here))
    gone = "The benchmark had no clip of this name any more when this page was made."
    assert said(opened, 0) == gone


def test_an_item_of_which_no_clip_was_read(open_page: Open) -> None:
    failed = replace(item(3), clips=())
    opened = open_page(render_report(results(items=(failed,)), {}))
    assert said(opened, 0) == "This page was made without the clips."


def test_a_linked_clip_that_does_not_load_says_so(open_page: Open, tmp_path: Path) -> None:
    """A file that went, one that is no sound, one in the page that is no sound; one plays."""
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a b.wav").write_bytes(silence())
    (tmp_path / "clips" / "text.wav").write_text("no sound")
    no_sound, gone = "data:audio/wav;base64,AAAA", "clips/g%C3%B6ne%20%25.wav"
    sources = (gone, "clips/text.wav", no_sound, "clips/a%20b.wav")
    media = {item(n).id: [ClipMedia(f"{n}.wav", own)] for n, own in enumerate(sources)}
    opened = open_page(render_report(results(), media))
    assert players(opened) == 4
    opened.view.evaluate("""() => Promise.all([...document.querySelectorAll("audio")].map(
        (audio) => new Promise((done) => {
            audio.addEventListener("error", done);
            audio.addEventListener("playing", done);
            audio.muted = true;
            audio.play().catch(() => {});
        })))""")
    for number, place in ((0, "clips/göne %.wav"), (1, "clips/text.wav")):
        assert said(opened, number) == (
            f"This clip could not be loaded: there is no file at {place} as seen from this page, "
            "or this browser cannot play it."
        )
    assert said(opened, 2) == "This browser cannot play this clip."
    assert players(opened) == 1
    assert opened.view.locator(".item").nth(3).locator("audio").count() == 1


def test_what_the_command_says(open_page: Open, tmp_path: Path) -> None:
    run, page = tmp_path / "run", tmp_path / "made.html"
    evaluate("tiny", "tiny", run, settings=[], limit=2)

    def made(audio: str) -> OpenedPage:
        args = argparse.Namespace(folder=run, html=page, clips=audio, data=None)
        assert report_command.run(args) == 0
        return open_page(page.read_text("utf-8"))

    assert players(made("embed")) == 2
    assert said(made("none"), 0) == "This page was made without the clips (--clips none)."
    manifest = run / "run.json"
    manifest.write_text(manifest.read_text().replace('"task": "tiny"', '"task": "elsewhere"'))
    opened = made("embed")
    assert said(opened, 1).startswith("The benchmark could not be opened when this page was made:")


def test_the_note_counts_the_clips_that_play(tmp_path: Path) -> None:
    found = report_clips(results(), dataset(Broken("0.wav")), tmp_path / "report.html", "embed")
    some = {id: own for number, (id, own) in enumerate(found.items()) if number < 20}
    page = render_report(results(), some)
    assert "19 of 60 clips are in this page" in page
