"""Pictures in the report: unchanged, in a sensible order, harmless, and not too large."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_results import results

from mata_audio.evaluation.report import page_pictures, render_report
from mata_audio.evaluation.report import pictures as module
from mata_audio.settings.colours import DARK, DARK_PAPER, in_the_dark, look
from pages import Open, OpenedPage, ParsedPage
from swept import swept

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


def test_our_pictures_follow_the_page_into_the_dark(open_page: Open) -> None:
    """Every pixel, of text, lines and colour maps, is the linear map of what it is in the light."""
    pytest.importorskip("matplotlib")
    from mata_audio.pictures import content, pictures_of_run

    figures = pictures_of_run(swept({"a": (15, 2), "b": (4, 3)}, {"a": (9, 2), "b": (1, 2)}))
    page = render_report(results(), {}, page_pictures(map_values(content, figures)))
    seen = {mode: screenshots(open_page(page, color_scheme=mode)) for mode in ("light", "dark")}
    assert len(seen["light"]) == 2  # heat map and ranking
    for light, dark in zip(seen["light"], seen["dark"], strict=True):
        assert light[5, 5] == pytest.approx([1, 1, 1])
        assert dark[5, 5] == pytest.approx(parts(DARK_PAPER))
        with_one = np.concatenate([light, np.ones((*light.shape[:2], 1))], axis=2)
        expected = np.clip(with_one @ np.array(DARK).T, 0, 1)
        assert np.abs(dark - expected)[2:-2, 2:-2].max() < 2.5 / 255
        assert (light.min(axis=2) < 0.5).mean() > 0.02  # there is something on it
    for setting in (1, 2):
        for mode, colour in (("light", look(setting).colour), ("dark", None)):
            drawn = parts(colour or in_the_dark(look(setting).colour))
            near = [(np.abs(own - drawn).max(axis=2) < 2.5 / 255).sum() for own in seen[mode]]
            assert near[1] > 50  # the ranking's marker and line


def test_our_pictures_stand_on_the_cards_and_others_on_white(open_page: Open) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from mata_audio.pictures import content

    ours = content(Figure(figsize=(1, 1)))
    page = render_report(results(), {}, page_pictures({"heatmap": ours, "mine": svg("dark")}))
    view = open_page(page, color_scheme="dark").view
    colour = "getComputedStyle(document.querySelector('{}')).backgroundColor"
    card = f"rgb({', '.join(str(round(255 * part)) for part in parts(DARK_PAPER))})"
    assert view.evaluate(colour.format("#pictures figure")) == card
    assert view.evaluate(colour.format("#pictures img[alt*=heatmap]")) == "rgba(0, 0, 0, 0)"
    assert view.evaluate(colour.format("#pictures img[alt*=mine]")) == "rgb(255, 255, 255)"


def test_pictures_are_printed_light(open_page: Open) -> None:
    pytest.importorskip("matplotlib")
    from mata_audio.pictures import content, pictures_of_run

    figures = pictures_of_run(swept({"a": (15, 2)}, {"a": (9, 2)}))
    page = render_report(results(), {}, page_pictures(map_values(content, figures)))
    opened = open_page(page, color_scheme="dark")
    assert screenshots(opened)[0][5, 5] == pytest.approx(parts(DARK_PAPER))
    opened.view.emulate_media(media="print", color_scheme="dark")
    assert screenshots(opened)[0][5, 5] == pytest.approx([1, 1, 1])


def map_values(function: Callable[[Any], bytes], values: Mapping[str, Any]) -> dict[str, bytes]:
    return {key: function(value) for key, value in values.items()}


def parts(colour: str) -> list[float]:
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]


def screenshots(opened: OpenedPage) -> list[np.ndarray]:
    """The page's pictures as they are seen, as red, green and blue from 0 to 1."""
    image = pytest.importorskip("PIL.Image")
    images = opened.view.locator("#pictures img")
    opened.view.wait_for_timeout(300)
    shots = [images.nth(n).screenshot() for n in range(images.count())]
    return [np.asarray(image.open(io.BytesIO(shot)).convert("RGB")) / 255 for shot in shots]
