"""The report: what it says, and that nothing in the data can act."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from hostile_results import BIDI, CLOSING, ITEMS, NAMES, SCRIPT, clips, item, results, right

from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.report import render_report, report_clips
from mata_audio.evaluation.report.clips import playable
from mata_audio.evaluation.report.facts import run_facts, title_facts
from mata_audio.evaluation.results.results import Paired, Row
from mata_audio.evaluation.results.tables import as_text
from pages import ParsedPage


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(results(), clips())


def test_page_starts_as_html_and_can_be_written(page: str, tmp_path: Path) -> None:
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    (tmp_path / "report.html").write_text(page, encoding="utf-8")


def test_no_element_comes_from_the_data(page: str) -> None:
    elements = ParsedPage(page)
    assert [tag for tag, _ in elements.tags].count("script") == 2
    assert not {"img", "iframe", "object", "embed"} & {tag for tag, _ in elements.tags}
    assert "{{ 7 * 7 }}" in elements.scripts[0]
    for _, attributes in elements.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_hostile_text_is_there_only_escaped(page: str) -> None:
    for text in (SCRIPT, CLOSING, "\u2028", "\u2029"):
        assert text not in page
    assert "\\u003c/script\\u003e\\u003cimg" in page
    assert SCRIPT in ParsedPage(page).text


def test_nothing_outside_is_loaded(page: str) -> None:
    for tag, attributes in ParsedPage(page).tags:
        for name in ("src", "href", "action", "poster", "data", "srcset"):
            target = attributes.get(name)
            assert target is None or target.startswith("#") or (tag, target) == ("link", "data:,")
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    assert not re.search(r"@import|url\(", style[1])


def test_policy_names_our_script_and_style_by_hash(page: str) -> None:
    elements = ParsedPage(page)
    policy = next(a["content"] for tag, a in elements.tags if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    digest = base64.b64encode(hashlib.sha256(elements.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy


def test_data_come_back_as_they_were(page: str) -> None:
    data = json.loads(ParsedPage(page).scripts[0])
    assert len(data["items"]) == ITEMS
    assert data["items"][1]["answers"][0]["raw"] == CLOSING
    assert data["items"][2]["answers"][0]["raw"] == BIDI
    assert data["items"][3]["error"].endswith(CLOSING)
    (clip,) = data["items"][0]["clips"]
    assert clip == {
        "name": "0.wav",
        "length": "30.0\xa0of\xa041.0\xa0s\xa0heard",
        "source": "data:audio/wav;base64,UklGRg==",
        "why": "",
    }
    assert data["items"][1]["clips"][0]["source"] is None


@pytest.mark.parametrize(
    ("source", "plays"),
    [
        ("data:audio/wav;base64,AA==", True),
        ("DATA:audio/mpeg;base64,AA==", True),
        ("clips/a%20b.wav", True),
        ("../clips/a.wav", True),
        ("/data/clips/a.wav", True),
        ("./a:b.wav", True),
        ("", False),
        ("javascript:alert(1)", False),
        ("java\tscript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("\x01javascript:alert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("http://example.org/a.wav", False),
        ("https://example.org/a.wav", False),
        ("//example.org/a.wav", False),
        ("\\\\example.org\\a.wav", False),
        ("/\\example.org/a.wav", False),
        ("/\n/example.org/a.wav", False),
        ("file:///etc/passwd", False),
        ("blob:x", False),
        ("C:\\clips\\a.wav", False),
    ],
)
def test_playable(source: str, plays: bool) -> None:
    assert playable(source) == (source if plays else None)


@dataclass(frozen=True)
class Clip:
    """A clip of as many bytes as asked for."""

    name: str
    content: bytes = b"RIFF" + bytes(96)

    def read(self) -> bytes:
        return self.content


def dataset() -> Dataset:
    """The items of :func:`results` with a clip of 100 bytes each; item 3 has two."""
    clips = [(Clip(f"{n}.wav"),) * (2 if n == 3 else 1) for n in range(ITEMS)]
    items = [Item(item(n).id, own, "?", (), None) for n, own in enumerate(clips)]
    return Dataset("colours", "test", tuple(items), {})


def test_some_clips_are_those_of_changed_answers_then_the_first_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mata-0.1 gained 6 items and lost 4; two more fit, then one with two clips does not."""
    monkeypatch.setattr("mata_audio.evaluation.report.clips.MOST_EMBEDDED", 1_399)
    found = report_clips(results(), dataset(), tmp_path / "report.html", "some")
    before_and_after = {one.id: right(one) for one in map(item, range(ITEMS))}
    changed = [id for id, (before, after) in before_and_after.items() if before != after]
    assert len(changed) == 10
    assert list(found) == [*changed, item(0).id, item(2).id]  # 3 would be too much
    assert all(playable(clip.source) for own in found.values() for clip in own)
    note = "12 of 60 clips are in this page, those of changed answers first."
    assert note in ParsedPage(render_report(results(), found)).text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["auto", "embed", "some", "link"])
def test_with_every_clip_no_note_says_that_some_are_left_out(how: str, tmp_path: Path) -> None:
    found = report_clips(results(), dataset(), tmp_path / "report.html", how)
    assert {*found} == {one.id for one in results().items}
    assert "clips are in this page" not in render_report(results(), found)
    assert (tmp_path / "report-audio").exists() == (how == "link")


def test_too_many_clips_are_linked_unless_the_page_is_to_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mata_audio.evaluation.report.clips.MOST_EMBEDDED", 1_399)
    page = tmp_path / "report.html"
    embedded = report_clips(results(), dataset(), page, "embed")
    assert all(clip.source.startswith("data:") for own in embedded.values() for clip in own)
    linked = report_clips(results(), dataset(), page, "auto")
    sources = [clip.source for own in linked.values() for clip in own]
    assert len(sources) == ITEMS + 1
    assert all((tmp_path / unquote(source)).read_bytes() == Clip("").content for source in sources)
    assert report_clips(results(), dataset(), page, "none") == {}


def test_headline_with_one_setting() -> None:
    text = ParsedPage(render_report(results(NAMES[:1]), {})).text
    assert "baseline 50.0\xa0% → setting 53.3\xa0% +3.3\xa0points" in text
    assert "95\xa0% interval +1.3 to +5.3 points." in text
    assert "6 gained and 4 lost of 60\xa0items; exact McNemar p\xa0=\xa00.047." in text
    assert "Holm" not in text
    assert "1\xa0item of 60 ended in an error. Show it" in text
    assert "chosen on these very items" in text


def test_headline_with_several_settings(page: str) -> None:
    text = ParsedPage(page).text
    assert "p\xa0=\xa00.047, Holm-adjusted for 3 settings p\xa0=\xa00.14." in text
    assert text.count("tuned on these items") == 1
    assert "data version v05.15.25" in text


def test_baseline_alone_and_nothing_scored() -> None:
    alone = ParsedPage(render_report(results(()), {})).text
    assert "No setting was compared with it." in alone
    empty = Row("", "", "all", {}, {})
    hidden = ParsedPage(render_report(results(overall=empty, groups=()), {})).text
    assert "there is nothing to compare" in hidden
    nothing = results((), overall=empty, groups=(), items=(), notes=(), run={})
    assert "No item was scored." in ParsedPage(render_report(nothing, {})).text


def test_page_and_tables_write_the_same_figures() -> None:
    """p 0.1 has one digit everywhere; only the page's minus sign is the longer one."""
    change = Paired(60, 0.5, 0.475, -0.025, -0.05, 0.0, 1, 3, 0.1, 0.1, 0.033)
    line = replace(results(NAMES[:1]).overall, paired={NAMES[0]: change})
    made = results(NAMES[:1], overall=line, groups=())
    last = as_text(made).splitlines()[-1]
    assert last.split()[4:] == ["-2.5", "-5.0", "to", "+0.0", "1", "3", "0.1"]
    text = ParsedPage(render_report(made, {})).text
    assert "exact McNemar p\xa0=\xa00.1." in text
    assert "all 60 \u22122.5 \u22125.0 to +0.0 1 3 0.1 3.3" in text


def test_facts() -> None:
    general, files = run_facts({"seed": 7, "ok": True, "no": None, "data_files": {"a": [3, 4, 5]}})
    shown = [(fact.name, fact.text) for fact in general.facts]
    assert shown == [("seed", "7"), ("ok", "yes"), ("no", "none")]
    assert (files.name, files.facts[0].text) == ("Data files", "3-5")
    (sessions,) = run_facts({"sessions": [{"items": [1, 3]}]})
    assert sessions.facts[0].facts[0].text == "1, 3"
    assert title_facts({"identity": {"split": "test"}})["split"] == "test"
    assert title_facts({"facts": 3})["task"] == ""


def test_each_row_draws_its_intervals_to_scale() -> None:
    """One drawing for each row of the accuracy table, over the tens around all intervals."""
    page = render_report(results(NAMES[:1], groups=()), {})
    drawn = re.findall(r'<svg class="intervals".*?</svg>\s*</svg>', page, re.DOTALL)
    assert len(drawn) == 1
    assert re.search(r"<span>40</span> <span>60&nbsp;%</span>", page)
    lines = re.findall(r'<line class="([\w-]+)[^"]*" x1="([\d.]+)%" x2="([\d.]+)%"', drawn[0])
    expected = [("baseline", "25.00", "75.00"), ("setting-1", "41.67", "91.67")]
    assert lines == expected  # 45-55, 48.3-58.3
    assert re.findall(r'<svg x="([\d.]+)%"', drawn[0]) == ["50.00", "66.67"]


def test_each_setting_is_told_once_with_what_it_was_tuned_on() -> None:
    made = results()
    stored = {name: {"method": {"alpha": 0.1}, "tuned_on": None} for name in NAMES}
    stored[NAMES[0]]["tuned_on"] = {"task": "a tuning task"}
    identity = {**made.run["identity"], "settings": stored}
    facts = {**made.run["facts"], "settings": dict.fromkeys(NAMES, "in other words")}
    run = {**made.run, "identity": identity, "facts": facts}
    text = ParsedPage(render_report(replace(made, run=run), {})).text
    told = text[text.index("How it was run") :].split("can be browsed")[0]
    assert "in other words" not in told
    assert told.count("a tuning task") == 1
    assert [told.count(name) for name in NAMES[:2]] == [1, 1]
