"""The README's picture shows what the embedded model answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mata_audio import MATA
from mata_audio.pictures import MissingMatplotlibError, require_matplotlib

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shown(tool: Any) -> Any:
    return tool.measured()


def test_the_model_answers_as_the_readme_says(shown: Any) -> None:
    answers = {name: own.text for name, own in shown.answers.items()}
    assert shown.item.answer == answers["MATA"] != answers["baseline"]
    ((alt, target),) = re.findall(r"!\[([^\]]{50,})\]\((\S+)\)", README)
    assert target == "docs/assets/listening.png"
    assert alt == shown.description()


def test_the_setting_is_the_one_that_is_named(tool: Any) -> None:
    (said,) = re.findall(r"^\*The embedded model.*?`(MATA\(.*?\))`", README, re.MULTILINE)
    assert eval(said, {"MATA": MATA}) == tool.SETTING.method


def test_the_clip_gets_louder(shown: Any) -> None:
    first, last = shown.waveform[:4_000], shown.waveform[-4_000:]
    assert (last**2).mean() > 2 * (first**2).mean()


def test_the_file_is_of_this_answer(tool: Any, shown: Any) -> None:
    image = pytest.importorskip("PIL.Image", reason="needs mata-audio[dev]")
    with image.open(tool.PICTURE) as picture:
        assert picture.info["Description"] == shown.description(), "make readme-picture"
        assert picture.width == 1600
    assert tool.PICTURE.stat().st_size < 200_000


def test_it_can_be_drawn(tool: Any, shown: Any) -> None:
    try:
        require_matplotlib()
    except MissingMatplotlibError:
        pytest.skip("needs mata-audio[pictures]")
    figure = tool.drawn(shown)
    written = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert "without MATA: “quieter”, wrong" in written
    assert "with MATA: “louder”, right" in written
