"""Items of some groups only: which are run, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mata_audio import SettingsError
from mata_audio.cli.main import main
from mata_audio.evaluation.running.plan import Options, make_plan
from mata_audio.evaluation.running.where import read_where
from mata_audio.evaluation.tasks import task_named


def chosen(**options: Any) -> list[Any]:
    return list(make_plan("tiny", "tiny", None, (), Options(split="tune", **options)).items)


def test_only_items_of_these_groups_are_run() -> None:
    items = task_named("tiny").load(None, "tune").items
    domains = [item.groups["task"] for item in items]
    found = chosen(where={"task": ["sound", "music"]})
    assert [item.id for item in found] == [
        item.id for item, domain in zip(items, domains, strict=True) if domain != "speech"
    ]
    both = chosen(where={"task": ["speech"], "sub-category": ["no caption"]})
    assert {(item.groups["task"], item.groups["sub-category"]) for item in both} == {
        ("speech", "no caption")
    }
    assert len(both) == sum(
        item.groups["task"] == "speech" and item.groups["sub-category"] == "no caption"
        for item in items
    )


def test_the_limit_counts_the_chosen_items() -> None:
    found = chosen(where={"task": ["music"]}, limit=5)
    assert [item.groups["task"] for item in found] == ["music"] * 5
    ids = [item.id for item in found]
    assert [item.id for item in chosen(where={"task": ["music"]}, ids=ids[1:3])] == ids[1:3]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"domain": ["sound"]}, "no grouping 'domain'; allowed: 'sub-category', 'task'"),
        ({"task": ["noise"]}, "no task 'noise'; allowed: 'music', 'sound', 'speech'"),
        ({"task": ["sound", "speach"]}, "no task 'speach'"),
    ],
)
def test_unknown_groups_are_refused(where: dict[str, list[str]], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        chosen(where=where)


def test_groups_that_no_item_has_together_are_refused() -> None:
    sound = chosen(where={"task": ["sound"]})[0].id
    with pytest.raises(SettingsError, match="no item is in all of these groups: task=music"):
        chosen(ids=[sound], where={"task": ["music"]})


def test_groups_are_read_from_the_command_line() -> None:
    assert read_where(["task=sound, music", "sub-category=no caption", "task=speech"]) == {
        "task": ["sound", "music", "speech"],
        "sub-category": ["no caption"],
    }
    for text in ("task", "=sound", "task=", "task= ,"):
        with pytest.raises(SettingsError, match="write KEY=VALUE"):
            read_where([text])


def test_the_command_runs_them_and_goes_on_with_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Like ids: which items are run is no part of what a folder is for."""
    base = f"eval tiny --task tiny --split tune --items 4 --out {tmp_path}".split()
    assert main([*base, "--where", "task=music"]) == 0
    assert main([*base, "--where", "task=speech"]) == 0
    lines = (tmp_path / "items.jsonl").read_text().splitlines()
    ran = {json.loads(line)["id"] for line in lines}
    expected = [chosen(where={"task": [domain]}, limit=4) for domain in ("music", "speech")]
    assert ran == {item.id for part in expected for item in part}
    results = json.loads((tmp_path / "results.json").read_text())
    assert {item["id"] for item in results["items"]} == {item.id for item in expected[1]}
    capsys.readouterr()
    assert main([*base, "--where", "task=noise"]) == 2
    assert "no task 'noise'" in capsys.readouterr().err
