"""lmms-eval's own Qwen2.5-Omni, steered; it needs torchvision."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import models
from harnesses.lmms_task import LocalTask, answer_in, write_task
from mata_audio import MATA, SettingsError

pytest.importorskip("lmms_eval", reason="needs mata-audio[lmms-eval]")
pytest.importorskip("torchvision", reason="lmms-eval's Qwen2.5-Omni needs torchvision")
pytest.importorskip("moviepy.video", reason="lmms-eval's Qwen2.5-Omni needs moviepy")
pytest.importorskip("qwen_omni_utils", reason="lmms-eval's Qwen2.5-Omni needs qwen-omni-utils")

from lmms_eval import evaluator
from lmms_eval.models.chat.qwen2_5_omni import Qwen2_5_Omni as TheirChat
from lmms_eval.models.simple import qwen2_5_omni as theirs
from lmms_eval.tasks import TaskManager

from mata_audio.harnesses.lmms_eval.qwen2_5_omni import MataQwen2_5Omni, MataQwen2_5OmniChat

STRONG = {"alpha": 3.0, "layers": "0-1", "formula": "add"}
CLASSES = [(MataQwen2_5OmniChat, TheirChat), (MataQwen2_5Omni, theirs.Qwen2_5_Omni)]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> LocalTask:
    return write_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("omni")
    torch.save(
        {"Chelsie": {}}, place / "spk_dict.pt"
    )  # the voices of the talker, which is switched off
    return str(models.save(models.omni(), models.omni_processor(), place))


def answers(task: LocalTask, model: Any) -> list[str]:
    found = evaluator.simple_evaluate(
        model=model,
        tasks=["mata_local"],
        task_manager=TaskManager(include_path=str(task.folder), include_defaults=False),
        bootstrap_iters=0,
        batch_size=1,
        log_samples=True,
    )
    samples = sorted(found["samples"]["mata_local"], key=lambda sample: sample["doc_id"])
    return [answer_in(sample) for sample in samples]


def their_own(cls: Any, folder: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """lmms-eval's own model on the CPU, with the processor of the folder.

    In Transformers 5 the whole model cannot answer without its talker, which lmms-eval switches
    off: it makes nothing but empty answers. Here its thinker is asked directly.
    """
    model, processor = theirs.Qwen2_5OmniForConditionalGeneration, theirs.Qwen2_5OmniProcessor

    def load(name: str, **options: Any) -> Any:
        made = model.from_pretrained(name, **{**options, "device_map": "cpu"})

        def in_text(return_audio: bool, thinker_do_sample: bool, **given: Any) -> Any:
            assert return_audio is thinker_do_sample is given.pop("do_sample") is False
            return made.thinker.generate(do_sample=False, **given)

        made.generate = in_text
        return made

    for name, value in (
        ("Qwen2_5OmniForConditionalGeneration", SimpleNamespace(_tp_plan=[], from_pretrained=load)),
        (
            "Qwen2_5OmniProcessor",
            SimpleNamespace(from_pretrained=lambda _: processor.from_pretrained(folder)),
        ),
        ("torch", SimpleNamespace(device=lambda _: torch.device("cpu"))),
    ):
        monkeypatch.setattr(theirs, name, value)
    return cls(folder, device_map="cuda")


@pytest.mark.parametrize(("ours", "own"), CLASSES)
def test_it_is_the_harness_own_model_inside_a_block(
    ours: Any, own: Any, task: LocalTask, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [answers(task, ours(folder, device="cpu", **given)) for given in ({}, STRONG)]
    plain = their_own(own, folder, monkeypatch)
    assert found[0] == answers(task, plain)
    monkeypatch.undo()
    plain = their_own(own, folder, monkeypatch)
    with MATA(**STRONG)(plain.model) as applied:
        wanted = answers(task, plain)
    assert found[1] == wanted
    assert found[0] != found[1]
    assert len(applied.receipt.audio_tokens) == 8
    assert "" not in found[0]


def test_what_does_not_fit_is_refused(folder: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="one request at a time"):
        MataQwen2_5Omni(folder, batch_size=2)
    with pytest.raises(SettingsError, match="numbered 0-3"):
        MataQwen2_5OmniChat(folder, alpha=1, layers="3-9", device="cpu")
