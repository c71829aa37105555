"""Pictures in the report: unchanged, in a sensible order, harmless, and not too large."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hostile_results import results
from pages import Open, ParsedPage

from mata_audio.evaluation.report import page_pictures, render_report
from mata_audio.evaluation.report import pictures as module

SVG = (
    '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd">\n<!-- a -->'
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text>{}é</text></svg>'
)
HOSTILE = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
width="40" height="99999" onload="parent.acted=top.acted=window.acted=1">
<script>parent.acted=top.acted=window.acted=1;alert(1)</script>
<style>@import url(https://example.org/style.css);</style>
<image xlink:href="https://example.org/image.png" width="9" height="9" onerror="alert(2)"/>
<foreignObject width="40" height="20"><iframe xmlns="http://www.w3.org/1999/xhtml"
src="javascript:top.acted=1"></iframe></foreignObject></svg>"""
NAME = '"><script>window.acted=1;alert(3)<!-- onerror=alert(4) {{ 7 * 7 }}'


def svg(text: str) -> bytes:
    return SVG.format(text).encode()


def images(elements: ParsedPage) -> dict[str, bytes]:
    """Return the contents of the page's pictures, by alternative text."""
    found = {}
    for tag, attributes in elements.tags:
        if tag == "img":
            kind, content = str(attributes["src"]).split(",")
            assert kind == "data:image/svg+xml;base64"
            found[str(attributes["alt"])] = base64.b64decode(content, validate=True)
    return found


def test_pictures_are_in_the_page_byte_for_byte_in_order(tmp_path: Path) -> None:
    saved = ("listening_2", "listening", "mass_by_layer", "heatmap", "accuracy", "a & b")
    for name in saved:
        (tmp_path / f"{name}.svg").write_bytes(svg(f"saved {name}"))
    (tmp_path / "heatmap.png").write_bytes(b"no picture for a page")
    repeating = {name: svg(f"drawn {name}") for name in ("accuracy", "gained_and_lost")}
    drawn = {"ranking": svg("drawn ranking"), "heatmap": svg("drawn heatmap"), **repeating}
    elements = ParsedPage(render_report(results(), {}, page_pictures(drawn, tmp_path)))
    shown = images(elements)
    assert list(shown.values()) == [
        drawn["heatmap"],
        drawn["ranking"],
        *(svg(f"saved {name}") for name in ("mass_by_layer", "listening", "listening_2", "a & b")),
    ]
    said = [alternative.split(".")[0] for alternative in shown]
    assert said[0] == "Picture heatmap"
    assert said[-1] == "Picture a & b"
    assert "Layers against alpha: the difference to the baseline" in elements.text
    assert "Where in clip 2 the last token looks." in elements.text
    assert ("a", {"href": "#pictures"}) in elements.tags


def test_without_pictures_there_is_no_section(tmp_path: Path) -> None:
    for folder in (None, tmp_path, tmp_path / "absent"):
        page = render_report(results(), {}, page_pictures({}, folder))
        assert 'id="pictures"' not in page
        assert "#pictures" not in page


def test_what_is_too_large_is_named_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vast.svg").write_bytes(svg("w" * module.MOST_OF_ONE))
    (tmp_path / "small.svg").write_bytes(svg("small"))
    elements = ParsedPage(render_report(results(), {}, page_pictures({}, tmp_path)))
    assert list(images(elements).values()) == [svg("small")]
    assert "vast is left out: its 2.0 MB are more than 2 MB." in elements.text
    drawn = page_pictures({"heatmap": svg("w" * module.MOST_OF_ONE)})
    assert drawn[0].svg is None

    monkeypatch.setattr(module, "MOST_OF_ALL", 2 * len(svg("one")))
    three = page_pictures({name: svg("one") for name in ("a", "b", "c")})
    assert [own.svg is None for own in three] == [False, False, True]
    assert "more than" in three[2].reason


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"root:x:0:0",
        b"<html><svg></svg></html>",
        b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><svg>&b;</svg>',
        b"<!-- -->" * 50_000,
        b" " * 500_000,
        b"<svgx>",
    ],
)
def test_what_is_no_picture_is_left_out(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.svg").write_bytes(content)
    (tmp_path / "folder.svg").mkdir()
    elements = ParsedPage(render_report(results(), {}, page_pictures({}, tmp_path)))
    assert images(elements) == {}
    assert "x is left out: it is not an SVG picture." in elements.text
    assert "folder" not in elements.text


def test_hostile_names_and_pictures_are_harmless(open_page: Open, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / f"{NAME}.svg").write_text(HOSTILE)
    (folder / "bad.svg").write_bytes(HOSTILE.replace("</svg>", "").encode())
    content = render_report(results(), {}, page_pictures({"heatmap": svg("fine")}, folder))
    elements = ParsedPage(content)
    assert [tag for tag, _ in elements.tags].count("script") == 2
    assert NAME in elements.text
    assert images(elements)[f"Picture {NAME}."] == HOSTILE.encode()

    opened = open_page(content, viewport={"width": 400, "height": 800})
    view = opened.view
    view.wait_for_timeout(300)
    widths = "[...document.images].map((own) => own.naturalWidth)"
    assert view.evaluate(widths) == [40, 40, 0]  # heatmap, the hostile one, one that ends early
    opened.assert_harmless()
    opened.assert_no_wider_than_the_window()
    assert view.evaluate("[...document.images].every((own) => own.height <= 1200)")


def test_pictures_stay_white_in_the_dark(open_page: Open) -> None:
    page = render_report(results(), {}, page_pictures({"heatmap": svg("dark")}))
    view = open_page(page, color_scheme="dark").view
    colour = "getComputedStyle(document.querySelector('{}')).backgroundColor"
    assert view.evaluate(colour.format("#pictures img")) == "rgb(255, 255, 255)"
    assert view.evaluate(colour.format("body")) != "rgb(255, 255, 255)"
