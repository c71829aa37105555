"""The report: what it says, that nothing in the data can act, and how its items are browsed."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.report import ClipMedia, render_report, report_clips
from mata_audio.evaluation.report.clips import playable
from mata_audio.evaluation.report.facts import run_facts, title_facts
from mata_audio.evaluation.results.results import (
    Accuracy,
    Answer,
    ClipHeard,
    ItemResult,
    Paired,
    Results,
    Row,
    SettingResult,
)
from mata_audio.evaluation.results.tables import as_text
from mata_audio.settings.named import BASELINE

SCRIPT = "<script>window.acted=true;alert(1)</script>"
CLOSING = "</script><img src=x onerror=\"window.acted=true;alert('2')\"><!--"
BIDI = "\u202e(A) مرحبا بالعالم\u2028second\u2029third"
LONG = "Donaudampfschifffahrtsgesellschaft" * 20
HOSTILE = (SCRIPT, CLOSING, BIDI, LONG, "", " \t\n", "{{ 7 * 7 }}{% raw %}", "\x00\ud800 \"'&amp;")

ITEMS = 60
NAMES = ("mata-0.1", "mata-0.2", f"mata {SCRIPT}")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def accuracy(n: int, correct: int) -> Accuracy:
    value = correct / n
    return Accuracy(n, correct, value, max(0.0, value - 0.05), min(1.0, value + 0.05))


def paired(n: int, gained: int, lost: int) -> Paired:
    difference = (gained - lost) / n
    return Paired(
        n, difference, difference - 0.02, difference + 0.02, gained, lost, 0.047, 0.14, 0.033
    )


def item(number: int, names: tuple[str, ...] = NAMES) -> ItemResult:
    """Item ``number``: 3 ends in an error, 4 is not scored; gained every 10, lost every 15."""
    hostile = HOSTILE[number % len(HOSTILE)]
    base, steered = number % 3 == 0, number % 3 == 0
    if number % 10 == 1:
        base, steered = False, True
    if number % 15 == 5:
        base, steered = True, False
    correct = {BASELINE: base, names[0]: steered} if names else {BASELINE: base}
    answers = {
        name: Answer(hostile, hostile, None if number == 4 else correct.get(name, base))
        for name in (BASELINE, *names)
    }
    return ItemResult(
        id=f"item {number} {SCRIPT if number == 7 else ''}",
        question=f"What is heard? {hostile}",
        choices=("rain", CLOSING, "a dog"),
        answer=None if number == 4 else "rain",
        groups={"domain": ("sound", SCRIPT)[number % 2], "level": ("easy", "hard")[number % 5 > 2]},
        clips=(ClipHeard(f"{number}.wav", 41.0, 30.0),),
        answers={} if number == 3 else answers,
        error="AudioError: it is empty " + CLOSING if number == 3 else None,
    )


def results(names: tuple[str, ...] = NAMES, **changes: Any) -> Results:
    def row(grouping: str, heading: str, name: str, n: int) -> Row:
        figures = {
            BASELINE: accuracy(n, n // 2),
            **{other: accuracy(n, n // 2 + 2) for other in names},
        }
        return Row(grouping, heading, name, figures, {other: paired(n, 6, 4) for other in names})

    settings = [SettingResult(BASELINE, "as it is", None)]
    for name in names:
        settings.append(SettingResult(name, f"alpha {SCRIPT}", {"alpha": 0.1}, name == names[-1]))
    made = Results(
        run={
            "identity": {
                "model": "Qwen/Qwen2.5-Omni-7B",
                "split": "test-mini",
                "dtype": "bfloat16",
                "data": {"mmau.json": "3f" * 32},
            },
            "facts": {"title": f"MMAU {SCRIPT}", "data_version": "v05.15.25"},
            "sessions": [{"items": 60, "note": CLOSING}],
        },
        settings=tuple(settings),
        overall=row("", "", "all", ITEMS),
        groups=(row("domain", "Domain", "sound", 30), row("domain", "Domain", SCRIPT, 30)),
        items=tuple(item(number, names) for number in range(ITEMS)),
        notes=(f"Four answers could not be read. {CLOSING}",),
    )
    return replace(made, **changes)


def clips(count: int = ITEMS) -> dict[str, list[ClipMedia]]:
    sources = ("data:audio/wav;base64,UklGRg==", "javascript:window.acted=true", "clips/1.wav")
    return {item(n).id: [ClipMedia(f"{n}.wav", sources[n % 3])] for n in range(count)}


@dataclass
class Elements(HTMLParser):
    """Every start tag of a page, its text outside script and style, and each script's content."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    scripts: list[str] = field(default_factory=list)
    inside: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else ""
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif not self.inside:
            self.text += data


def parsed(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    elements.text = re.sub(r"[ \n]+", " ", elements.text)
    return elements


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(results(), clips())


def test_page_starts_as_html_and_can_be_written(page: str, tmp_path: Path) -> None:
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    (tmp_path / "report.html").write_text(page, encoding="utf-8")


def test_no_element_comes_from_the_data(page: str) -> None:
    elements = parsed(page)
    assert [tag for tag, _ in elements.tags].count("script") == 2
    assert not {"img", "iframe", "object", "embed", "form"} & {tag for tag, _ in elements.tags} - {
        "form"
    }
    assert "{{ 7 * 7 }}" in elements.scripts[0]
    for _, attributes in elements.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_hostile_text_is_there_only_escaped(page: str) -> None:
    for text in (SCRIPT, CLOSING, "\u2028", "\u2029"):
        assert text not in page
    assert "\\u003c/script\\u003e\\u003cimg" in page
    assert SCRIPT in parsed(page).text


def test_nothing_outside_is_loaded(page: str) -> None:
    for tag, attributes in parsed(page).tags:
        for name in ("src", "href", "action", "poster", "data", "srcset"):
            target = attributes.get(name)
            assert target is None or target.startswith("#") or (tag, target) == ("link", "data:,")
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    assert not re.search(r"@import|url\(", style[1])


def test_policy_names_our_script_and_style_by_hash(page: str) -> None:
    elements = parsed(page)
    policy = next(a["content"] for tag, a in elements.tags if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    digest = base64.b64encode(hashlib.sha256(elements.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy


def test_data_come_back_as_they_were(page: str) -> None:
    data = json.loads(parsed(page).scripts[0])
    assert len(data["items"]) == ITEMS
    assert data["items"][1]["answers"][0]["raw"] == CLOSING
    assert data["items"][2]["answers"][0]["raw"] == BIDI
    assert data["items"][3]["error"].endswith(CLOSING)
    assert data["items"][0]["clips"] == [
        {
            "name": "0.wav",
            "length": "30.0\xa0of\xa041.0\xa0s\xa0heard",
            "source": "data:audio/wav;base64,UklGRg==",
        }
    ]
    assert data["items"][1]["clips"][0]["source"] is None


@pytest.mark.parametrize(
    "source",
    [
        "data:audio/wav;base64,AA==",
        "DATA:audio/mpeg;base64,AA==",
        "clips/a%20b.wav",
        "../clips/a.wav",
        "/data/clips/a.wav",
        "./a:b.wav",
    ],
)
def test_playable(source: str) -> None:
    assert playable(source) == source


@pytest.mark.parametrize(
    "source",
    [
        "",
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "http://example.org/a.wav",
        "https://example.org/a.wav",
        "//example.org/a.wav",
        "\\\\example.org\\a.wav",
        "/\\example.org/a.wav",
        "/\n/example.org/a.wav",
        "file:///etc/passwd",
        "blob:x",
        "C:\\clips\\a.wav",
    ],
)
def test_not_playable(source: str) -> None:
    assert playable(source) is None


@dataclass(frozen=True)
class Clip:
    """A clip of as many bytes as asked for."""

    name: str
    content: bytes = b"RIFF" + bytes(96)

    def read(self) -> bytes:
        return self.content


def dataset() -> Dataset:
    """The items of :func:`results` with a clip of 100 bytes each; item 3 has two."""
    items = [
        Item(item(n).id, (Clip(f"{n}.wav"),) * (2 if n == 3 else 1), "?", (), None)
        for n in range(ITEMS)
    ]
    return Dataset("colours", "test", tuple(items), {})


def test_some_clips_are_those_of_changed_answers_then_the_first_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mata-0.1 gained 6 items and lost 4; two more fit, then one with two clips does not."""
    monkeypatch.setattr("mata_audio.evaluation.report.clips.MOST_EMBEDDED", 1_399)
    found = report_clips(results(), dataset(), tmp_path / "report.html", "some")
    changed = [
        one.id
        for one in map(item, range(ITEMS))
        if one.answers and one.answers[BASELINE].correct != one.answers[NAMES[0]].correct
    ]
    assert len(changed) == 10
    assert list(found) == [*changed, item(0).id, item(2).id]  # 3 would be too much
    assert all(playable(clip.source) for own in found.values() for clip in own)
    note = "12 of 60 clips are in this page, those of changed answers first."
    assert note in parsed(render_report(results(), found)).text
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
    text = parsed(render_report(results(NAMES[:1]), {})).text
    assert "baseline 50.0\xa0% → MATA 53.3\xa0% +3.3\xa0points" in text
    assert "95\xa0% interval +1.3 to +5.3 points." in text
    assert "6 gained and 4 lost of 60\xa0items; exact McNemar p\xa0=\xa00.047." in text
    assert "Holm" not in text
    assert "1\xa0item of 60 ended in an error. Show it" in text
    assert "chosen on these very items" in text


def test_headline_with_several_settings(page: str) -> None:
    text = parsed(page).text
    assert "p\xa0=\xa00.047, Holm-adjusted for 3 settings p\xa0=\xa00.14." in text
    assert text.count("tuned on these items") == 1
    assert "data version v05.15.25" in text


def test_baseline_alone_and_nothing_scored() -> None:
    alone = parsed(render_report(results(()), {})).text
    assert "No setting was compared with it." in alone
    empty = Row("", "", "all", {}, {})
    hidden = parsed(render_report(results(overall=empty, groups=()), {})).text
    assert "there is nothing to compare" in hidden
    nothing = results((), overall=empty, groups=(), items=(), notes=(), run={})
    assert "No item was scored." in parsed(render_report(nothing, {})).text


def test_page_and_tables_write_the_same_figures() -> None:
    """p 0.1 has one digit everywhere; only the page's minus sign is the longer one."""
    change = Paired(60, -0.025, -0.05, 0.0, 1, 3, 0.1, 0.1, 0.033)
    line = replace(results(NAMES[:1]).overall, paired={NAMES[0]: change})
    made = results(NAMES[:1], overall=line, groups=())
    last = as_text(made).splitlines()[-1]
    assert last.split()[4:] == [
        "-2.5",
        "-5.0",
        "to",
        "+0.0",
        "1",
        "3",
        "0.1",
    ]
    text = parsed(render_report(made, {})).text
    assert "exact McNemar p\xa0=\xa00.1." in text
    assert "all 60 \u22122.5 \u22125.0 to +0.0 1 3 0.1 3.3" in text


def test_facts() -> None:
    general, files = run_facts({"seed": 7, "ok": True, "no": None, "data_files": {"a": [3, 4, 5]}})
    assert [(fact.name, fact.text) for fact in general.facts] == [
        ("seed", "7"),
        ("ok", "yes"),
        ("no", "none"),
    ]
    assert (files.name, files.facts[0].text) == ("Data files", "3-5")
    (sessions,) = run_facts({"sessions": [{"items": [1, 3]}]})
    assert sessions.facts[0].facts[0].text == "1, 3"
    assert title_facts({"identity": {"split": "test"}})["split"] == "test"
    assert title_facts({"facts": 3})["task"] == ""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not CHROMIUM:
        pytest.skip("needs a chromium or google-chrome program")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield opened
        opened.close()


@dataclass
class Opened:
    """A page in a browser, and what happened in it that should not."""

    view: Any
    url: str
    trouble: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def count(self) -> str:
        return str(self.view.text_content("#count"))

    def choose(self, outcome: str) -> None:
        self.view.check(f"input[name=outcome][value='{outcome}']", force=True)

    def focused(self) -> str:
        return str(
            self.view.evaluate(
                "document.activeElement.closest('.item')?.querySelector('h3').innerText"
            )
        )


def silence() -> bytes:
    """A tenth of a second as a WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(8_000)
        stream.writeframes(bytes(1_600))
    return content.getvalue()


@pytest.fixture
def opened(browser: Any, page: str, tmp_path: Path) -> Iterator[Opened]:
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    view = browser.new_page(viewport={"width": 390, "height": 800})
    made = Opened(view, file.as_uri())
    view.on("console", lambda message: made.trouble.append(message.text))
    view.on("pageerror", lambda error: made.trouble.append(str(error)))
    view.on("request", lambda request: made.requests.append(request.url))

    def refuse(dialog: Any) -> None:
        made.trouble.append(f"dialog {dialog.message}")
        dialog.dismiss()

    view.on("dialog", refuse)
    view.goto(made.url)
    view.wait_for_selector(".item")
    yield made
    view.close()


def test_every_page_of_items_is_harmless(opened: Opened) -> None:
    opened.view.select_option(".pager select", "50")
    opened.view.click("text=Next")
    assert opened.view.locator(".item").count() == ITEMS - 50
    assert opened.view.evaluate("window.acted") is None
    assert opened.view.locator("img, audio[src^=javascript]").count() == 0
    assert opened.trouble == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [opened.url]


def test_outputs_are_shown_exactly(opened: Opened) -> None:
    opened.view.select_option(".pager select", "50")
    for number, expected in ((1, CLOSING), (2, BIDI), (8, SCRIPT), (5, " \t\n")):
        card = opened.view.locator(".item").nth(number)
        assert card.locator(".raw").first.evaluate("e => e.textContent") == expected
    assert opened.view.locator(".item").nth(12).locator(".raw").first.inner_text() == "empty output"
    assert opened.view.locator(".item").nth(3).locator(".failed").count() == 1
    assert (
        opened.view.locator(".item")
        .nth(0)
        .locator(".choices .right")
        .inner_text()
        .startswith("rain")
    )


def test_page_does_not_scroll_sideways(opened: Opened) -> None:
    root = "document.documentElement"
    assert opened.view.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")


def test_filters(opened: Opened) -> None:
    scored = [one for one in map(item, range(ITEMS)) if not one.error and one.answer]
    right = [(a.answers[BASELINE].correct, a.answers[NAMES[0]].correct) for a in scored]
    expected = {
        "gained": right.count((False, True)),
        "lost": right.count((True, False)),
        "both": right.count((True, True)),
        "neither": right.count((False, False)),
        "error": 1,
        "unscored": 1,
        "": ITEMS,
    }
    assert expected["gained"] > expected["lost"] > 0
    for outcome, count in expected.items():
        opened.choose(outcome)
        assert opened.count() == f"{count} of {ITEMS} items"
    domain = opened.view.get_by_label("Domain")
    domain.select_option(SCRIPT)
    assert opened.count() == f"{ITEMS // 2} of {ITEMS} items"
    opened.choose("gained")
    assert opened.count() == f"{expected['gained']} of {ITEMS} items"
    opened.view.get_by_label("Outcome with").select_option("2")
    assert opened.count() == f"0 of {ITEMS} items"
    assert "No item fits" in opened.view.inner_text("#list")
    opened.view.click("text=Clear filters")
    assert opened.count() == f"{ITEMS} of {ITEMS} items"


def test_search(opened: Opened) -> None:
    opened.view.fill("input[type=search]", "ITEM 17 onerror")
    opened.view.get_by_text(f"1 of {ITEMS} items", exact=True).wait_for()
    assert opened.view.locator(".item h3").inner_text().strip() == "item 17"


def test_figures_lead_to_their_items(opened: Opened) -> None:
    opened.view.click(".paired a[data-outcome=lost][data-group=sound] >> nth=0")
    shown = [one for one in map(item, range(ITEMS)) if one.groups["domain"] == "sound"]
    lost = [
        one
        for one in shown
        if one.answers and one.answers[BASELINE].correct and not one.answers[NAMES[0]].correct
    ]
    assert opened.count() == f"{len(lost)} of {ITEMS} items"
    assert opened.view.get_by_label("Domain").input_value() == "sound"


def test_keys_move_between_items_and_pages(opened: Opened) -> None:
    press = opened.view.keyboard.press
    press("j")
    assert opened.focused().startswith("item 0")
    press("ArrowDown")
    assert opened.focused().startswith("item 1")
    for _ in range(9):
        press("j")
    assert opened.focused().startswith("item 10")
    assert "Page 2" in opened.view.inner_text(".where")
    press("k")
    assert opened.focused().startswith("item 9")
    press("ArrowUp")
    assert opened.focused().startswith("item 8")
    press("/")
    press("j")
    assert opened.view.input_value("input[type=search]") == "j"


def test_keys_can_be_switched_off(opened: Opened) -> None:
    opened.view.uncheck("#shortcuts")
    opened.view.evaluate("document.activeElement.blur()")
    opened.view.keyboard.press("j")
    assert opened.focused() == "None"


def test_audio_plays_embedded_and_from_beside_the_page(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "a clip.wav").write_bytes(silence())
    embedded = "data:audio/wav;base64," + base64.b64encode(silence()).decode()
    media = [ClipMedia("0.wav", embedded), ClipMedia("more.wav", "a%20clip.wav")]
    (tmp_path / "report.html").write_text(render_report(results(), {item(0).id: media}), "utf-8")
    view = browser.new_page()
    view.goto((tmp_path / "report.html").as_uri())
    lengths = view.evaluate("""() => Promise.all([...document.querySelectorAll("audio")].map(
        (audio) => new Promise((done) => {
            audio.onloadedmetadata = () => done(audio.duration);
            audio.onerror = () => done(audio.error.message);
            audio.load();
            audio.preload = "metadata";
        })))""")
    assert lengths == [0.1, 0.1]
    view.close()


def test_print_leaves_the_browser_out(opened: Opened) -> None:
    opened.view.emulate_media(media="print")
    assert not opened.view.locator("#browser").is_visible()
    assert opened.view.locator(".print-note").is_visible()


def test_each_row_draws_its_intervals_to_scale() -> None:
    """One drawing for each row of the accuracy table, over the tens around all intervals."""
    page = render_report(results(NAMES[:1], groups=()), {})
    drawn = re.findall(r'<svg class="intervals".*?</svg>\s*</svg>', page, re.DOTALL)
    assert len(drawn) == 1
    assert re.search(r"<span>40</span> <span>60&nbsp;%</span>", page)
    lines = re.findall(r'<line class="(\w+)[^"]*" x1="([\d.]+)%" x2="([\d.]+)%"', drawn[0])
    assert lines == [("baseline", "25.00", "75.00"), ("mata", "41.67", "91.67")]  # 45-55, 48.3-58.3
    assert re.findall(r'<svg x="([\d.]+)%"', drawn[0]) == ["50.00", "66.67"]
