"""Studies: figures computed again from the answers, choices that see no reporting item."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from study_figures import (
    Pairs,
    answers_of,
    best_of,
    counted,
    holm,
    of_tiny,
    p_of,
    pairs,
    tiny_right,
)

from families.folders import folder_of
from mata_audio import MataError, SettingsError
from mata_audio.evaluation import NamedSetting, load_setting
from mata_audio.evaluation.results.results import UNHEARD
from mata_audio.evaluation.running.plan import Options
from mata_audio.evaluation.study import Study, load_study, study
from mata_audio.evaluation.study.checked import problems
from mata_audio.evaluation.study.contenders import contenders, setting_name
from mata_audio.evaluation.study.planned import Wanted, plan_study
from mata_audio.evaluation.tasks.tiny import Tiny
from mata_audio.methods import Mass
from paper_data import write_mmau

METHODS = ("mass", "contrast", "text lowered")
FIT = "mass; steps=3; patience=3"
ITEMS = 48
CARRIED = NamedSetting("from elsewhere", Mass(1.5, layers="2-6 of 12"))
STUDY: dict[str, Any] = {
    "choose_on": "tune",
    "report_on": "test",
    "methods": METHODS,
    "left_out": ("task",),
    "options": Options(limit=ITEMS, unheard=True),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study, list[str]]:
    """A finished study of the embedded model, and what it said. Do not write to its folder."""
    folder = tmp_path_factory.mktemp("studies") / "tiny"
    said: list[str] = []
    found = study("tiny", "tiny", folder, fits=[FIT], carried=[CARRIED], say=said.append, **STUDY)
    return folder, found, said


def check_figures(folder: Path, found: Study, right: Mapping[str, Any]) -> None:
    """Compare all that a study says with what its answers on disk give."""
    chosen_on, reported = (
        (answers_of(folder / part), right[split])
        for part, split in (("choosing", "tune"), ("reporting", "test"))
    )
    groups = {id: item for split in ("tune", "test") for id, item in of_tiny(split).items()}
    condition = {id: item.condition for id, item in groups.items()}
    domain = {id: item.task.domain for id, item in groups.items()}
    ids, report_ids = [*chosen_on[0]], [*reported[0]]

    def choosing(setting: str, own: Sequence[str]) -> Pairs:
        return pairs(*chosen_on, setting, own)

    def reporting(setting: str, own: Sequence[str]) -> Pairs:
        return pairs(*reported, setting, own)

    for contender in contenders(METHODS):
        candidates = [setting_name(contender, own) for own in contender.candidates]
        candidates = [own for own in candidates if own in chosen_on[0][ids[0]]]
        entry = next(
            own for own in found.entries if (own.method, own.how) == (contender.name, "chosen")
        )
        assert entry.name == best_of(candidates, choosing, ids, condition)
        (out,) = entry.left_out
        pooled: Pairs = []
        assert set(out.settings) == {domain[id] for id in ids}
        for group in out.settings:
            outside = [id for id in ids if domain[id] != group]
            name = best_of(candidates, choosing, outside, condition)
            assert out.settings[group] == name
            inside = [id for id in report_ids if domain[id] == group]
            pooled += reporting(name or "baseline", inside)
        assert counted(pooled) == figures(out.figures, "", "all")

    by_name = {}
    for entry in found.entries:
        if entry.name is None:
            continue
        own = partial(reporting, entry.name)
        n, gained, lost = counted(own(report_ids))
        assert figures(entry.figures, "", "all") == (n, gained, lost)
        overall = entry.overall
        assert overall is not None
        assert overall.p == pytest.approx(p_of(gained, lost), rel=1e-9)
        assert overall.difference == pytest.approx((gained - lost) / n, abs=1e-12)
        by_name[entry.name] = overall.p
        for key, of in (("sub-category", condition), ("task", domain)):
            for group in {of[id] for id in report_ids}:
                members = [id for id in report_ids if of[id] == group]
                assert figures(entry.figures, key, group) == counted(own(members))
        arm = {id: right["test"](id, reported[0][id][UNHEARD]) for id in report_ids}
        for name, which in (("right unheard", True), ("not right unheard", False)):
            members = [id for id in report_ids if arm[id] == which]
            if members:
                found_there = figures(entry.figures, "without the audio", name)
                assert found_there == counted(own(members))
    adjusted = holm(by_name)
    for entry in found.entries:
        if entry.overall is not None:
            assert entry.overall.p_holm == pytest.approx(adjusted[str(entry.name)], rel=1e-9)
    base = next(own for own in found.baseline if own.grouping == "")
    assert base.correct == sum(right["test"](id, reported[0][id]["baseline"]) for id in report_ids)


def figures(rows: Sequence[Any], grouping: str, name: str) -> tuple[int, int, int]:
    """Return items, gained and lost of a row."""
    (own,) = [row.paired for row in rows if (row.grouping, row.name) == (grouping, name)]
    return own.n, own.gained, own.lost


def test_figures_are_those_of_the_answers(finished: tuple[Path, Study, list[str]]) -> None:
    folder, found, _ = finished
    check_figures(folder, found, {"tune": tiny_right("tune"), "test": tiny_right("test")})
    assert any(own.overall and own.overall.gained for own in found.entries)
    assert {own.how for own in found.entries} == {"default", "chosen", "fitted", "carried over"}


def test_the_fit_of_a_group_left_out_is_run_on_that_group(
    finished: tuple[Path, Study, list[str]],
) -> None:
    folder, found, _ = finished
    entry = next(own for own in found.entries if own.how == "fitted")
    (out,) = entry.left_out
    answers, right = answers_of(folder / "reporting"), tiny_right("test")
    items = of_tiny("test")
    pooled: Pairs = []
    for group, name in out.settings.items():
        members = [id for id in answers if items[id].task.domain == group]
        pooled += pairs(answers, right, name or "baseline", members)
    assert counted(pooled) == figures(out.figures, "", "all")
    for path in (folder / "fits").iterdir():
        made_from = json.loads((path / "evidence.json").read_text())["made_from"]
        left = {of_tiny("tune")[id].task.domain for id in made_from["ids"]}
        without = {group for group in out.settings if path.name.endswith(f"task-{group}")}
        assert left == {"sound", "music", "speech"} - without
    assert len(list((folder / "fits").iterdir())) == 4


def test_no_reporting_item_is_chosen_on(finished: tuple[Path, Study, list[str]]) -> None:
    folder, found, _ = finished
    assert all(id.startswith("tiny-tune-") for id in answers_of(folder / "choosing"))
    assert all(id.startswith("tiny-test-") for id in answers_of(folder / "reporting"))
    assert found.shared_clips == 0
    assert found.tried == len(next(iter(answers_of(folder / "choosing").values()))) - 1


def test_halves_of_one_split_share_no_item_and_leave_none_out() -> None:
    plan = plan_study("tiny", "tiny", None, Wanted(methods=["contrast"]), Options(limit=72))
    chosen, reported = ([item.id for item in own.items] for own in (plan.choosing, plan.reporting))
    assert len(chosen) == len(reported) == 36
    assert not set(chosen) & set(reported)
    assert {own.dataset.split for own in (plan.choosing, plan.reporting)} == {"test"}
    other = plan_study(
        "tiny", "tiny", None, Wanted(methods=["contrast"], split_seed=1), Options(limit=72)
    )
    assert {item.id for item in other.choosing.items} != set(chosen)


def test_fewer_items_to_choose_on_than_to_report_on() -> None:
    wanted = Wanted("tune", choose_limit=24, report_on="test", methods=["contrast"])
    plan = plan_study("tiny", "tiny", None, wanted, Options(limit=72))
    assert [item.id for item in plan.choosing.items] == [*of_tiny("tune")][:24]
    assert len(plan.reporting.items) == 72


def test_what_is_chosen_does_not_depend_on_reporting_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every reporting answer is scored as its opposite: the same settings are reported."""
    few = {**STUDY, "methods": ["contrast"], "options": Options(limit=36), "left_out": ()}
    first = study("tiny", "tiny", tmp_path / "a", **few)
    original = Tiny.outcomes

    def opposite(self: Tiny, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        return [
            (not right) if record["split"] == "test" else right
            for right, record in zip(original(self, records), records, strict=True)
        ]

    monkeypatch.setattr(Tiny, "outcomes", opposite)
    second = study("tiny", "tiny", tmp_path / "b", **few)
    assert [own.name for own in second.entries] == [own.name for own in first.entries]
    assert [own.chosen_on for own in second.entries] == [own.chosen_on for own in first.entries]
    for one, other in zip(first.entries, second.entries, strict=True):
        assert one.overall is not None
        assert other.overall is not None
        assert (one.overall.gained, one.overall.lost) == (other.overall.lost, other.overall.gained)


@pytest.mark.parametrize("model_type", ["qwen2_audio", "audioflamingo3", "glmasr"])
def test_small_random_models_of_three_families(
    model_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random answers are scored by a rule of the test, so that settings gain and lose."""

    def right(id: str, raw: str) -> bool:
        return zlib.crc32(f"{id} {raw}".encode()) % 3 > 0

    def outcomes(self: Tiny, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        return [right(record["id"], record["prediction"]) for record in records]

    monkeypatch.setattr(Tiny, "outcomes", outcomes)
    options = Options(limit=24, unheard=True, reader="whole", max_new_tokens=3)
    found = study(folder_of(model_type), "tiny", tmp_path, **{**STUDY, "options": options})
    assert found.model["model_type"] == model_type

    def as_read(id: str, raw: str) -> bool:
        return right(id, raw.strip())

    check_figures(tmp_path, found, {"tune": as_read, "test": as_read})
    assert any(own.overall and own.overall.gained + own.overall.lost for own in found.entries)
    assert problems(load_study(tmp_path)) == []


def test_the_file_is_the_study_and_holds_no_question_and_no_path(
    finished: tuple[Path, Study, list[str]],
) -> None:
    folder, found, _ = finished
    text = (folder / "study.json").read_text(encoding="utf-8")
    assert load_study(folder) == found
    assert problems(found) == []
    for split in ("tune", "test"):
        for id, item in list(of_tiny(split).items())[:ITEMS]:
            assert item.question not in text
            assert id not in text
            assert json.dumps(list(item.choices)) not in text
    assert str(folder) not in text
    assert str(Path.home()) not in text
    assert "/tmp" not in text
    assert len(text) < 200_000


def test_the_winner_is_a_setting_of_its_own(finished: tuple[Path, Study, list[str]]) -> None:
    folder, found, _ = finished
    path = folder / "winner.json"
    assert path.exists() == (found.recommended is not None)
    if found.recommended is not None:
        setting = load_setting(path)
        assert setting.fields == found.recommended.setting
        assert setting.tuned_on is not None
        assert set(setting.tuned_on["ids"]) == set(answers_of(folder / "choosing"))
    best = found.winner
    assert best is not None
    assert best.how == "chosen"
    chosen = [own.chosen_on for own in found.entries if own.how == "chosen" and own.chosen_on]
    assert best.chosen_on is not None
    assert best.chosen_on.difference == max(own.difference for own in chosen)


def test_time_is_estimated_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("mata_audio.evaluation.study.study"), "run_plan", stopped)
    with pytest.raises(KeyboardInterrupt):
        study("tiny", "tiny", tmp_path, say=said.append, fits=[FIT], **STUDY)
    assert "settings to choose from; about " in said[-1]
    assert all(part in said[-1] for part in ("choosing", "fitting", "reporting"))
    seconds = json.loads((tmp_path / "timing.json").read_text())["seconds"]
    assert all(own > 0 for own in seconds.values())
    assert seconds["every candidate"] > seconds["baseline"]


def test_every_reported_setting_has_a_measured_time(
    finished: tuple[Path, Study, list[str]],
) -> None:
    _, found, _ = finished
    assert found.seconds
    for own in found.entries:
        assert (own.seconds is None) == (own.name is None)
        assert own.name is None or (own.seconds is not None and 0 < own.seconds < math.inf)
    costs = {own.method: own.cost for own in found.entries if own.name is not None}
    assert costs["mass"].startswith("1 row a token")
    assert costs["contrast"].startswith("2 rows a token")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"methods": ["nothing"]}, "no method 'nothing' to study; there are mata"),
        ({"left_out": ["difficulty"]}, "no group of 'difficulty' can be left out"),
        ({"fits": ["mas"]}, "formula must be one of"),
        ({"fits": ["mass; step=3"]}, "cannot read 'step=3' of the fit"),
        ({"fits": ["mass; steps=many"]}, "steps of the fit .* cannot be 'many'"),
        ({"choose_on": "validation"}, "no split 'validation'"),
        ({"report_task": "mmar"}, "mmar needs its data"),
        ({"choose_limit": 20}, "name another to report on"),
        ({"choose_limit": 0, "report_on": "tune"}, "choose_limit must be at least 1; got 0"),
    ],
)
def test_wrong_use_is_explained_before_anything_is_written(
    wanted: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(MataError, match=message):
        study("tiny", "tiny", tmp_path / "out", options=Options(limit=36), **wanted)
    assert not (tmp_path / "out").exists()


def test_too_few_items_and_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least"):
        study("tiny", "tiny", tmp_path / "out", options=Options(limit=12))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(MataError, match="neither a study nor empty"):
        study("tiny", "tiny", tmp_path, options=Options(limit=36), methods=["contrast"])


@pytest.mark.parametrize("depth", [2, 12, 28])
def test_contenders_choose_at_most_two_numbers(depth: int) -> None:
    for contender in contenders():
        assert len(contender.candidates) == len(set(contender.candidates))
        numbers = [numbers_of(own.as_data()) for own in contender.candidates]
        varying = [values for values in zip(*numbers, strict=True) if len(set(values)) > 1]
        assert len(varying) <= 2, contender.name
        for own in contender.candidates:
            assert own.rule().views


def numbers_of(data: Any) -> list[Any]:
    """Return all values of JSON data in a fixed order."""
    if isinstance(data, dict):
        return [own for key in sorted(data) for own in numbers_of(data[key])]
    if isinstance(data, list):
        return [own for value in data for own in numbers_of(value)]
    return [data]


def test_settings_chosen_on_one_benchmark_are_reported_on_another(tmp_path: Path) -> None:
    """MMAU, in its published layout; the options of items are those of the first benchmark."""
    data = write_mmau(tmp_path / "MMAU", n=24)
    found = study(
        "tiny",
        "tiny",
        tmp_path / "out",
        choose_on="tune",
        report_task="mmau",
        report_data=data,
        methods=["text lowered"],
        options=Options(limit=24, where={"task": ["sound"]}),
    )
    assert (found.choosing.task, found.reporting.task) == ("tiny", "mmau")
    assert all(
        of_tiny("tune")[id].task.domain == "sound"
        for id in answers_of(tmp_path / "out" / "choosing")
    )
    assert found.reporting.items == 24
    assert list(found.reporting.data) == ["mmau-test-mini.json"]
    assert str(tmp_path) not in (tmp_path / "out" / "study.json").read_text()
    assert problems(found) == []
