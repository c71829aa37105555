"""The saved page: one file that loads nothing and works from a disk; nothing in its data acts."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from heard_answers import large, small

from mata_audio.evaluation.report import listening_page
from pages import Open, ParsedPage

HOSTILE = "</script><script>window.acted = 1</script><img src=x onerror='window.acted = 1'>"


def hostile() -> dict[str, object]:
    data = small(question=HOSTILE, right=HOSTILE, note=HOSTILE)
    data["clip"]["name"] = HOSTILE
    for answer in data["answers"]:
        answer.update(name=HOSTILE, text=HOSTILE, words=[HOSTILE, " b", " c"], receipt=HOSTILE)
    return data


def test_the_page_has_policy_hashes_and_nothing_from_outside() -> None:
    page = listening_page(hostile(), HOSTILE)
    elements = ParsedPage(page)
    assert HOSTILE not in page
    policy = next(a["content"] for tag, a in elements.tags if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    data, code = elements.scripts
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in policy
    assert not re.search(r"@import|url\(", style[1])
    for tag, attributes in elements.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href", "action", "srcset"):
            target = attributes.get(name)
            assert target is None or (tag, target) == ("link", "data:,")
    assert json.loads(data) == hostile()


def test_the_words_are_there_without_javascript() -> None:
    text = ParsedPage(listening_page(small(), "small-model")).text
    for words in ("What plays?", "a fast drum solo", "baseline", "a slow drum", "small-model"):
        assert words in text


def test_it_works_from_a_file(open_page: Open) -> None:
    opened = open_page(listening_page(small()), ready=".lv-card")
    view = opened.view
    view.click("[data-answer='1'][data-word='1']")
    for _ in range(100):
        if view.evaluate("document.querySelector('audio').currentTime") > 0.1:
            break
        view.wait_for_timeout(25)
    assert view.evaluate("document.querySelector('audio').currentTime") > 0.1
    assert view.locator(".question, dl").count() == 0  # what stood there without JavaScript
    assert not view.locator(".lv-marking").is_visible()
    opened.assert_harmless()


@pytest.mark.parametrize("width", [420, 1100])
def test_hostile_data_are_harmless_in_it(open_page: Open, width: int) -> None:
    window = {"viewport": {"width": width, "height": 900}}
    opened = open_page(listening_page(hostile(), HOSTILE), ready=".lv-card", **window)
    opened.view.click(".lv-word >> nth=0")
    opened.assert_no_wider_than_the_window()
    opened.assert_harmless()


def test_much_data_opens(open_page: Open) -> None:
    opened = open_page(listening_page(large(steps=300)), ready=".lv-card")
    assert opened.view.locator(".lv-word").count() == 120
    opened.assert_harmless()


def test_in_print_there_are_no_controls(open_page: Open) -> None:
    opened = open_page(listening_page(small()), ready=".lv-card", color_scheme="dark")
    opened.view.emulate_media(media="print", color_scheme="dark")
    assert not opened.view.locator(".lv-play").is_visible()
    assert opened.view.locator(".lv-line").first.is_visible()
    card = opened.view.locator(".lv-card")
    assert card.evaluate("own => getComputedStyle(own).backgroundColor") == "rgb(255, 255, 255)"
