"""What a request asks for, read without an engine. Needs no vLLM."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mata_audio.doctor.small_models.registry import small_model
from mata_audio.errors import SettingsError, UnsupportedModelError, VersionError
from mata_audio.families import locate
from mata_audio.methods import MATA, Mass
from mata_audio.vllm_plugin.engine import SteeredEngine, default_method, setting_words
from mata_audio.vllm_plugin.hooks import _with_own_blocks
from mata_audio.vllm_plugin.request import method_asked_for, plan_of, planned_method
from mata_audio.vllm_plugin.versions import KNOWN, check_version

AUDIO = 100


@pytest.fixture(scope="module")
def engine() -> SteeredEngine:
    small = small_model("qwen2_audio")
    assert small.audio_token_id == AUDIO
    return SteeredEngine(None, locate(small.model), None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, MATA(alpha=0.5)),
        ("off", None),
        ({"off": True}, None),
        ("layers=1-2", MATA(alpha=0.5, layers="1-2")),
        ({"alpha": 0.2}, MATA(alpha=0.2)),
        ("method=mass alpha=1", Mass(alpha=1)),
    ],
)
def test_fields_that_are_left_out_are_the_engines(given: object, expected: MATA | None) -> None:
    assert method_asked_for(given, MATA(alpha=0.5)) == expected


def test_paper_is_the_papers_whatever_the_engine_does() -> None:
    assert method_asked_for("paper", MATA(alpha=0.5, layers="1-2")) == MATA()
    assert default_method("paper") == MATA()


def test_an_engine_without_a_setting_of_its_own() -> None:
    assert default_method("off") is None
    assert method_asked_for(None, None) is None
    assert method_asked_for("alpha=0.3", None) == MATA(alpha=0.3)


@pytest.mark.parametrize(
    ("rows", "first"), [("last", 5), ("last-3", 3), ("all", 0), ("after-audio", 4)]
)
def test_the_first_changed_row(rows: str, first: int, engine: SteeredEngine) -> None:
    method = MATA(alpha=0.5, rows=rows)
    plan = plan_of(method, engine, [7, 8, AUDIO, AUDIO, 9, 10], [range(2, 4)])
    assert plan is not None
    assert plan["first_row"] == first
    assert planned_method(plan) == method


def test_blocks_with_a_changed_row_have_names_of_their_own(engine: SteeredEngine) -> None:
    """Two requests with one id, prompt and setting share what comes before, and nothing else."""

    def extra_keys(_: object, start: int, end: int, place: int) -> tuple[object, int]:
        return (("cache_salt", "salt"),) if start == 0 else None, place + 1

    named = _with_own_blocks(extra_keys)
    plans = [plan_of(MATA(), engine, [7, 8, AUDIO, AUDIO, 9, 10], []) for _ in range(2)]
    one, other, plain = (
        SimpleNamespace(request_id="r", sampling_params=SimpleNamespace(extra_args=args))
        for args in ({"mata": plans[0]}, {"mata": plans[1]}, None)
    )
    for start, end in ((0, 2), (2, 4), (4, 5)):
        assert (
            named(one, start, end, 0) == named(plain, start, end, 0) == extra_keys(0, start, end, 0)
        )
    for start, end in ((4, 6), (5, 7), (6, 8)):
        found = [named(request, start, end, 0) for request in (one, other, plain)]
        assert len({keys for keys, _ in found}) == 3
        assert found[0] == named(one, start, end, 0)
        assert {place for _, place in found} == {1}


def test_a_prompt_without_audio_has_no_plan(engine: SteeredEngine) -> None:
    assert plan_of(MATA(), engine, [7, 8, 9], []) is None


def test_audio_where_no_audio_token_is(engine: SteeredEngine) -> None:
    with pytest.raises(UnsupportedModelError, match="token ids are not those of audio"):
        plan_of(MATA(), engine, [7, AUDIO, 9], [range(1, 3)])


def test_embeddings_are_refused(engine: SteeredEngine) -> None:
    with pytest.raises(SettingsError, match="given as embeddings"):
        plan_of(MATA(), engine, None, [])


def test_the_setting_of_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MATA_SETTING", raising=False)
    assert setting_words({}) is None
    assert setting_words({"mata": "off"}) == "off"
    monkeypatch.setenv("MATA_SETTING", "alpha=1")
    assert setting_words({}) == "alpha=1"
    with pytest.raises(SettingsError, match="both have a setting"):
        setting_words({"mata": "off"})


def test_versions() -> None:
    for version in KNOWN:
        check_version(f"{version}.0")
        check_version(f"{version}.1rc2")
    with pytest.raises(VersionError, match=r"vLLM 0\.31\.0 is not known"):
        check_version("0.31.0")
