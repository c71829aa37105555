"""The report in a browser: its items are shown, filtered and heard, and nothing in them acts."""

from __future__ import annotations

import base64
import io
import wave
from pathlib import Path

import pytest
from hostile_results import BIDI, CLOSING, ITEMS, SCRIPT, clips, item, results, right

from mata_audio.evaluation.report import ClipMedia, render_report
from mata_audio.settings.colours import in_the_dark, look
from pages import Open, OpenedPage
from swept import swept


def silence() -> bytes:
    """A tenth of a second as a WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(8_000)
        stream.writeframes(bytes(1_600))
    return content.getvalue()


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(results(), clips())


@pytest.fixture
def opened(open_page: Open, page: str) -> OpenedPage:
    return open_page(page, viewport={"width": 390, "height": 800})


def test_every_page_of_items_is_harmless(opened: OpenedPage) -> None:
    opened.view.select_option(".pager select", "50")
    opened.view.click("text=Next")
    assert opened.view.locator(".item").count() == ITEMS - 50
    assert opened.view.locator("img, audio[src^=javascript]").count() == 0
    opened.assert_harmless()


def test_outputs_are_shown_exactly(opened: OpenedPage) -> None:
    opened.view.select_option(".pager select", "50")
    cards = opened.view.locator(".item")
    for number, expected in ((1, CLOSING), (2, BIDI), (8, SCRIPT), (5, " \t\n")):
        assert cards.nth(number).locator(".raw").first.evaluate("e => e.textContent") == expected
    assert cards.nth(12).locator(".raw").first.inner_text() == "empty output"
    assert cards.nth(3).locator(".failed").count() == 1
    assert cards.nth(0).locator(".choices .right").inner_text().startswith("rain")


def test_page_does_not_scroll_sideways(opened: OpenedPage) -> None:
    opened.assert_no_wider_than_the_window()


def test_filters(opened: OpenedPage) -> None:
    pairs = [right(item(number)) for number in range(ITEMS)]
    expected = {
        "gained": pairs.count((False, True)),
        "lost": pairs.count((True, False)),
        "both": pairs.count((True, True)),
        "neither": pairs.count((False, False)),
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


def test_search(opened: OpenedPage) -> None:
    opened.view.fill("input[type=search]", "ITEM 17 onerror")
    opened.view.get_by_text(f"1 of {ITEMS} items", exact=True).wait_for()
    assert opened.view.locator(".item h3").inner_text().strip() == "item 17"


def test_figures_lead_to_their_items(opened: OpenedPage) -> None:
    opened.view.click(".paired a[data-outcome=lost][data-group=sound] >> nth=0")
    sound = [one for one in map(item, range(ITEMS)) if one.groups["domain"] == "sound"]
    lost = [right(one) for one in sound].count((True, False))
    assert opened.count() == f"{lost} of {ITEMS} items"
    assert opened.view.get_by_label("Domain").input_value() == "sound"


def test_figures_of_a_sweep_lead_to_the_items_of_their_part(open_page: Open) -> None:
    """An answer gained or lost on both parts; each marker stands at its setting's answer."""
    found = swept({"good": (5, 2), "poor": (0, 4)}, {"good": (3, 1), "poor": (6, 0)})
    opened = open_page(render_report(found, {}), viewport={"width": 420, "height": 900})
    opened.assert_no_wider_than_the_window()
    part = opened.view.get_by_label("Part of the sweep")
    for link, name, setting, count in (
        ("[data-part='held out'][data-outcome=gained] >> nth=0", "held out", "1", 3),
        ("[data-part='held out'][data-outcome=lost] >> nth=0", "held out", "1", 1),
        ("[data-part=tuning][data-outcome=gained]", "tuning", "1", 5),
        ("[data-part=tuning][data-outcome=lost] >> nth=1", "tuning", "2", 4),
    ):
        opened.view.click(f"a{link}")
        assert opened.count() == f"{count} of 100 items"
        assert part.input_value() == name
        assert opened.view.get_by_label("Outcome with").input_value() == setting
    shapes = opened.view.locator(".item").first.locator("h4 path")
    assert len({shapes.nth(n).get_attribute("d") for n in range(shapes.count())}) == 3
    opened.assert_harmless()


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_an_items_answers_and_outcome_have_their_settings_colours(
    open_page: Open, mode: str
) -> None:
    gains = {"a": (5, 2), "b": (4, 1), "c": (3, 2), "d": (3, 1), "e": (2, 1)}
    opened = open_page(render_report(swept(gains, gains), {}), color_scheme=mode)
    computed = """(own) => [...document.querySelectorAll(own.split(" @")[0])].map(
        (found) => getComputedStyle(found)[own.split(" @")[1]])"""
    whole = [look(place).colour for place in range(6)]
    assert whole[5] == whole[1]  # four colours; the shape differs
    expected = [rgb(own if mode == "light" else in_the_dark(own)) for own in whole]
    first = ".item:first-child .answer"
    for what in (f"{first} @borderLeftColor", f"{first} bdi @color", f"{first} path @stroke"):
        own = opened.view.evaluate(computed, what.replace("bdi", "h4 bdi"))
        assert own == expected
    hollow = opened.view.evaluate(computed, f"{first} path @fill")
    assert hollow[1:] == expected[1:]
    assert hollow[0] != expected[0]
    for place in (2, 4):
        opened.view.get_by_label("Outcome with").select_option(str(place))
        opened.choose("gained")
        assert set(opened.view.evaluate(computed, ".item .outcome @color")) == {expected[place]}
        mark = "getComputedStyle(document.querySelector('.outcomes .gained'), '::before').color"
        assert opened.view.evaluate(mark) == expected[place]
    opened.choose("lost")
    assert set(opened.view.evaluate(computed, ".item .outcome @color")) == {expected[0]}


def rgb(colour: str) -> str:
    """A colour as a browser writes it."""
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


def test_keys_move_between_items_and_pages(opened: OpenedPage) -> None:
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


def test_keys_can_be_switched_off(opened: OpenedPage) -> None:
    opened.view.uncheck("#shortcuts")
    opened.view.evaluate("document.activeElement.blur()")
    opened.view.keyboard.press("j")
    assert opened.focused() == "None"


def test_audio_plays_embedded_and_from_beside_the_page(open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "a clip.wav").write_bytes(silence())
    embedded = "data:audio/wav;base64," + base64.b64encode(silence()).decode()
    media = [ClipMedia("0.wav", embedded), ClipMedia("more.wav", "a%20clip.wav")]
    opened = open_page(render_report(results(), {item(0).id: media}))
    lengths = opened.view.evaluate("""() => Promise.all([...document.querySelectorAll("audio")].map(
        (audio) => new Promise((done) => {
            audio.onloadedmetadata = () => done(audio.duration);
            audio.onerror = () => done(audio.error.message);
            audio.load();
            audio.preload = "metadata";
        })))""")
    assert lengths == [0.1, 0.1]


def test_print_leaves_the_browser_out(opened: OpenedPage) -> None:
    opened.view.emulate_media(media="print")
    assert not opened.view.locator("#browser").is_visible()
    assert opened.view.locator(".print-note").is_visible()
