"""Nothing is steered in silence, and nothing left unsteered in silence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mata_audio.errors import MataError, VersionError
from mata_audio.vllm_plugin import register
from vllm_plugin.asking import Question, question

vllm = pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")

MODEL = "qwen2_audio"


@pytest.fixture
def create(monkeypatch: pytest.MonkeyPatch, folder: Callable[[str], Path]) -> Callable[..., Any]:
    """Return what makes an engine's config, as its start does."""
    from vllm.engine.arg_utils import EngineArgs

    register()

    def make(steer: str | None, **arguments: Any) -> Any:
        monkeypatch.delenv("MATA_SETTING", raising=False)
        if steer is not None:
            monkeypatch.setenv("MATA_SETTING", steer)
        return EngineArgs(
            model=str(folder(MODEL)), dtype="float32", max_model_len=512, **arguments
        ).create_engine_config()

    return make


def test_an_unknown_version(create: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "__version__", "0.99.1")
    with pytest.raises(VersionError, match=r"0\.99\.1 is not known .* install vLLM 0\.32 or 0\.33"):
        create("alpha=0.1")
    assert "mata" not in create(None).additional_config


UNKNOWN = """
import warnings, vllm
vllm.__version__ = "0.99.1"
from mata_audio.vllm_plugin import register
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    register()
print([str(own.message) for own in caught if "mata-audio" in str(own.message)])
from vllm.v1.engine.input_processor import InputProcessor
print(hasattr(InputProcessor.process_inputs, "__mata_audio__"))
"""


def test_an_unknown_version_is_left_as_it_is() -> None:
    ran = subprocess.run([sys.executable, "-c", UNKNOWN], capture_output=True, text=True)
    warned, wrapped = ran.stdout.splitlines()[-2:]
    assert "vLLM 0.99.1 is not known" in warned
    assert "Engines run unsteered" in warned
    assert wrapped == "False"


@pytest.mark.parametrize(
    ("steer", "message"),
    [
        ("alpha=x", "MATA_SETTING: alpha must be a number; got 'x'"),
        ("alhpa=1", "no field 'alhpa'"),
        ("alpha", "cannot read 'alpha'"),
        ("layers=0-9", "4 decoder layers"),
        ("heads=4", "4 query heads"),
        ("method=contrast", "needs Transformers"),
        ("tokens=image", "no image"),
    ],
)
def test_a_wrong_setting_stops_the_start(create: Any, steer: str, message: str) -> None:
    with pytest.raises(MataError, match=message):
        create(steer)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kv_cache_dtype": "fp8"}, "a cache of fp8"),
        ({"additional_config": {"mata": "alpha=1"}}, "both have a setting"),
    ],
)
def test_an_engine_that_cannot_be_steered(
    create: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(MataError, match=message):
        create("alpha=0.1", **arguments)


def test_the_setting_of_the_config(create: Any) -> None:
    config = create(None, additional_config={"mata": {"alpha": 0.5}})
    assert config.additional_config["mata"] == {"alpha": 0.5}
    assert config.parallel_config.worker_cls.endswith("SteeredWorker")
    assert create(None).parallel_config.worker_cls.endswith("CPUWorker")


def test_requests(engine: Callable[..., Any], folder: Callable[[str], Path]) -> None:
    text = "w5 w6 w7"
    wrong = {
        "alpha=many": "alpha must be a number",
        "layers=3-9": "4 decoder layers",
        "method=aad": "needs Transformers",
        "beta=1": "no field 'beta'",
        "off alpha=1": "cannot read 'off'",
    }
    asked = [
        *([question(0, setting)] for setting in wrong),
        [Question(text, setting="alpha=1")],
        [Question(text, setting="alpha=1 on_no_audio=ignore")],
        [question(0, "alpha=1")],
    ]
    *refused, without_audio, ignored, last = engine(folder(MODEL), *asked)["answers"]
    for (own,), message in zip(refused, wrong.values(), strict=True):
        assert message in own["error"]
    assert "no audio tokens" in without_audio[0]["error"]
    assert len(ignored[0]["tokens"]) == len(last[0]["tokens"]) == 8


def test_an_engine_that_does_not_steer_says_so(
    engine: Callable[..., Any], folder: Callable[[str], Path]
) -> None:
    found = engine(folder(MODEL), [question(0, "alpha=1")], [question(0)], steer=None)
    (refused,), (answered,) = found["answers"]
    assert "this engine does not steer: start it with MATA_SETTING" in refused["error"]
    assert len(answered["tokens"]) == 8


def test_the_setting_of_the_engine(
    engine: Callable[..., Any], folder: Callable[[str], Path], transformers_answers: Any
) -> None:
    """Requests without a setting get the engine's, and its fields where theirs gives none."""
    words = "alpha=2 layers=1-3 formula=mass"
    asked = [question(0), question(1, "alpha=0.5"), question(2, "off"), Question("w5 w6 w7")]
    same = [
        question(0, words),
        question(1, words.replace("alpha=2", "alpha=0.5")),
        question(2),
        Question("w5 w6 w7"),
    ]
    (answers,) = engine(folder(MODEL), asked, steer=words)["answers"]
    for own, expected in zip(answers, same, strict=True):
        expected = transformers_answers(folder(MODEL), expected)
        assert own["tokens"] == expected["tokens"]
        assert own["logprobs"] == pytest.approx(expected["logprobs"], abs=2e-4)
