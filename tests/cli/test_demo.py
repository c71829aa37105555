"""``mata demo``: the whole path on a few items, and the figures it prints."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from running import Mata

from mata_audio.evaluation.results.significance import mcnemar_exact
from mata_audio.tiny import make_items

ON_PAGE = ("mass_by_layer", "layer_head_map")
PICTURES = ("accuracy", "gained_and_lost", *ON_PAGE)
LIST = "files-of-mata-demo.json"


def page_of(folder: Path) -> tuple[str, list[bytes]]:
    """Return the demo's page, and the pictures in it."""
    page = (folder / "report.html").read_text("utf-8")
    found = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)"', page)
    return page, [base64.b64decode(content) for content in found]


def data_of(page: str, name: str) -> Any:
    """Return JSON data that stand in a page."""
    return json.loads(page.split(f'id="{name}">')[1].split("</script>")[0])


def test_what_it_prints_and_writes(
    mata: Mata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # so that the paths it prints are short
    file, clips = tmp_path / "demo.json", tmp_path / "clips"
    outcome = mata("demo", "--items", "36", "--json", file, "--keep-clips", clips, "--out", "out")
    assert outcome.code == 0
    assert max(map(len, outcome.out.splitlines())) <= 100
    shown = ("36 held-out questions", "gained", "MATA receipt", "Mass receipt", "Example", "Next")
    for words in shown:
        assert words in outcome.out
    data = json.loads(file.read_text())
    assert [item["id"] for item in data["items"]] == [i.id for i in make_items("test", 36)]
    assert [row["name"] for row in data["groups"]] == [
        "no caption", "caption agrees", "caption contradicts", "sound", "music", "speech"
    ]  # fmt: skip
    right = sum(item["answers"]["baseline"]["raw"] == item["answer"] for item in data["items"])
    assert data["overall"]["accuracy"]["baseline"]["value"] == pytest.approx(right / 36)
    total = data["overall"]["paired"]["MATA"]
    assert total["difference"] == pytest.approx((total["gained"] - total["lost"]) / 36)
    assert total["p"] == pytest.approx(mcnemar_exact(total["gained"], total["lost"]))
    assert list(data["settings"]) == list(data["receipts"]) == ["MATA", "Mass"]
    assert data["settings"]["Mass"]["layers"] == [3, 4, 5, 6, 7]
    for receipt in data["receipts"].values():
        assert receipt["active_rows"] >= 36
        assert len(receipt["audio_tokens"]) == 36
        assert f"{receipt['mass_before']:.1%} of attention before" in outcome.out
    assert data["receipts"]["Mass"]["mass_after"] > data["receipts"]["MATA"]["mass_after"]
    example = outcome.out.split("--audio ")[1].splitlines()[0]
    assert (tmp_path / example).is_file()
    lines = [line for line in outcome.err.splitlines() if not line.startswith("mata: ")]
    assert len(lines) <= 40
    assert "\r" not in outcome.err

    pytest.importorskip("matplotlib")
    assert "out/pictures/mass_by_layer.png\n" in outcome.out
    assert "out/report.html, " in outcome.out
    folder = tmp_path / "out"
    written = {f"pictures/{own}.{form}" for own in PICTURES for form in ("svg", "png")}
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"report.html", LIST, *written}
    page, shown = page_of(folder)
    assert shown == [(folder / "pictures" / f"{own}.svg").read_bytes() for own in ON_PAGE]
    items = data_of(page, "data")["items"]
    for own, item in zip(items, data["items"], strict=True):
        assert [answer["raw"] for answer in own["answers"]] == [
            item["answers"][name]["raw"] for name in ("baseline", "MATA", "Mass")
        ]
        content = base64.b64decode(own["clips"][0]["source"].split(",")[1])
        assert content == (clips / own["clips"][0]["name"]).read_bytes()
    assert "mata-tiny, test" in page
    assert outcome.out.index("Example") < outcome.out.index("Condition ---")


@pytest.mark.usefixtures("without_matplotlib")
def test_without_matplotlib_there_is_a_page_without_pictures(mata: Mata, tmp_path: Path) -> None:
    outcome = mata("demo", "--items", "6", "--out", tmp_path / "out")
    assert outcome.code == 0
    lines = [line for line in outcome.out.splitlines() if "mata-audio[pictures]" in line]
    assert len(lines) == 1
    assert "pip install 'mata-audio[pictures]'" in lines[0]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.html", LIST}
    page, shown = page_of(tmp_path / "out")
    assert shown == []
    assert "tiny-test-0-000000" in page


@pytest.mark.usefixtures("without_matplotlib")
def test_clips_are_embedded_up_to_the_limit_changed_answers_first(
    mata: Mata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mata_audio.cli.demo.page.MOST_SOUND", 200_000)
    mata("demo", "--items", "36", "--alpha", "2", "--out", tmp_path)
    page, _ = page_of(tmp_path)
    items = data_of(page, "data")["items"]
    playable = [any(clip["source"] for clip in item["clips"]) for item in items]
    assert 1 < sum(playable) < 36
    assert f"{sum(playable)} of 36 clips are in this page" in page
    changed = [item["answers"][0]["correct"] != item["answers"][1]["correct"] for item in items]
    assert any(changed)
    assert all(plays for plays, differs in zip(playable, changed, strict=True) if differs)
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", LIST}


def test_alpha_zero_changes_nothing_and_leaves_no_files(
    mata: Mata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    file = tmp_path / "demo.json"
    out = tmp_path / "out"
    outcome = mata("demo", "--items", "6", "--alpha", "0", "--json", file, "--out", out)
    assert outcome.code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.json", "out"]
    for item in json.loads(file.read_text())["items"]:
        assert item["answers"]["baseline"] == item["answers"]["MATA"]


def test_more_items_change_no_answer(mata: Mata, tmp_path: Path) -> None:
    answers = []
    for items in (6, 18):
        mata("demo", "--items", str(items), "--json", tmp_path / "demo.json", "--out", tmp_path)
        answers.append(json.loads((tmp_path / "demo.json").read_text())["items"][:6])
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--items", "36"], r"Here MATA is right and the baseline is wrong: "),
        (["--items", "6", "--alpha", "0"], r"No setting gained an answer in this run, "),
    ],
)
def test_the_page_says_what_its_example_stands_for(
    mata: Mata, tmp_path: Path, options: list[str], said: str
) -> None:
    mata("demo", *options, "--out", tmp_path, "--json", tmp_path / "demo.json")
    page, _ = page_of(tmp_path)
    data = json.loads((tmp_path / "demo.json").read_text())
    assert said in page
    paired = data["overall"]["paired"]["MATA"]
    if paired["gained"]:
        assert f"it lost {paired['lost']}." in page


def test_a_method_without_one_attention_shows_its_answers_and_why_not(
    mata: Mata, tmp_path: Path
) -> None:
    outcome = mata("demo", "--items", "6", "--method", "contrast", "--out", tmp_path)
    assert outcome.code == 0
    page, _ = page_of(tmp_path)
    answers = data_of(page, "listened")["answers"]
    assert answers[0]["by_word"]
    assert answers[1]["by_word"] == []
    assert "compares several readings" in answers[1]["why_not"]
