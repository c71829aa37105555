"""The demo's page in a browser: what it opens with, and its example, heard and judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mata_audio.cli.main import main
from pages import Open, ParsedPage

Made = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The page and the data of a demo of 200 questions."""
    folder = tmp_path_factory.mktemp("demo")
    code = main(["demo", "--items", "200", "--out", str(folder), "--json", str(folder / "d.json")])
    assert code == 0
    return (folder / "report.html").read_text("utf-8"), json.loads((folder / "d.json").read_text())


def test_it_stays_below_10_mb(made: Made) -> None:
    page, _ = made
    assert len(page.encode()) < 10_000_000


def test_it_opens_with_mata_the_paper_and_the_caveat_then_the_example_then_results(
    made: Made,
) -> None:
    page, data = made
    order = [
        "MATA (More Attention To Audio, ",
        '<a href="https://arxiv.org/abs/2509.18816">',
        "toy of 1.5 million parameters",
        '<section id="example"',
        '<section id="results"',
        '<section id="tables"',
    ]
    places = [page.index(part) for part in order]
    assert places == sorted(places)
    view = json.loads(page.split('id="listened">')[1].split("</script>")[0])
    item = next(own for own in data["items"] if own["id"] == data["example"])
    assert view["question"] == item["question"]
    assert view["right"] == item["answer"]
    assert [(a["name"], a["text"], a["correct"]) for a in view["answers"]] == [
        (name, item["answers"][name]["raw"], item["answers"][name]["correct"])
        for name in ("baseline", "MATA")
    ]
    assert [a["correct"] for a in view["answers"]] == [False, True]
    assert view["chosen"] == {"layers": [3, 4, 5, 6, 7], "heads": None}


def test_each_picture_is_there_once(made: Made) -> None:
    tags = ParsedPage(made[0]).tags
    sources = [attributes["src"] for tag, attributes in tags if tag == "img"]
    assert len(sources) == len(set(sources))
    alternatives = [
        str(attributes["alt"]).split(".")[0] for tag, attributes in tags if tag == "img"
    ]
    assert alternatives in ([], ["Picture mass_by_layer", "Picture layer_head_map"])


def test_the_example_can_be_heard(made: Made, open_page: Open) -> None:
    for width in (420, 1100):
        opened = open_page(made[0], viewport={"width": width, "height": 900})
        opened.view.locator("#example .lv-word").nth(1).click()
        assert "Where \u201c" in opened.view.locator("#example .lv-heard h3").inner_text()
        for _ in range(100):
            if opened.view.evaluate("document.querySelector('#example audio').currentTime") > 0.05:
                break
            opened.view.wait_for_timeout(25)
        assert opened.view.evaluate("document.querySelector('#example audio').currentTime") > 0.05
        opened.assert_no_wider_than_the_window()
        opened.assert_harmless()
