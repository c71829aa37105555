"""Which commands quieten the libraries, and which compute on one thread."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from running import Mata

from mata_audio.cli import libraries
from mata_audio.cli.commands import info, score
from mata_audio.cli.main import build_parser
from mata_audio.tiny import MODEL_PATH

EVAL = ("eval", "--task", "tiny", "--out", "runs/x")
REPRODUCE = ("reproduce", "paper", "--out", "runs/x")


@pytest.mark.parametrize(
    ("words", "small"),
    [
        (["demo"], True),
        (["info", "tiny"], True),
        (["ask", str(MODEL_PATH), "What?", "--audio", "a.wav"], True),
        ([*EVAL, f"{MODEL_PATH}/../model"], True),
        ([*EVAL, "Qwen/Qwen2-Audio-7B-Instruct"], False),
        ([*EVAL, "."], False),
        (["doctor", "--all-families"], True),
        (["doctor", "tiny"], True),
        (["doctor", "somewhere/else"], False),
        (["doctor"], False),
        ([*REPRODUCE], False),
        ([*REPRODUCE, "--model", "qwen2-audio=elsewhere", "--model", "ke-omni-r=tiny"], True),
        ([*REPRODUCE, "--model", "qwen2-audio=elsewhere"], False),
    ],
)
def test_small_models(words: list[str], small: bool) -> None:
    args = build_parser().parse_args(words)
    assert hasattr(args, "model")  # which is how main knows that it loads one
    assert libraries.runs_small_models(args) is small


def test_a_command_without_a_model_needs_no_libraries(tmp_path: Path) -> None:
    code = (
        "import sys, mata_audio.cli.main as m; "
        f"code = m.main(['score', 'mmau', {str(tmp_path / 'none.json')!r}]); "
        "print(code, [n for n in ('torch', 'transformers') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1 []"


def test_libraries_are_ready_before_the_command_runs(
    mata: Mata, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(libraries, "quiet_libraries", lambda debug: steps.append(f"quiet {debug}"))
    monkeypatch.setattr(libraries, "use_one_thread", lambda: steps.append("one thread"))
    for module in (info, score):
        monkeypatch.setattr(module, "run", lambda args: steps.append("run") or 0)
    assert mata("--debug", "info", "tiny").code == 0
    assert mata("info", "elsewhere").code == 0
    assert mata("score", "mmau", "x.json").code == 0
    assert steps == ["quiet True", "one thread", "run", "quiet False", "run", "run"]


def test_warnings_of_ours_are_lines_and_others_are_silent(
    mata: Mata, monkeypatch: pytest.MonkeyPatch
) -> None:
    import warnings

    from mata_audio.errors import MataWarning

    def run(args: object) -> int:
        warnings.warn("theirs", UserWarning, stacklevel=1)
        warnings.warn("ours", MataWarning, stacklevel=1)
        return torch.get_num_threads() - 1

    monkeypatch.setattr(info, "run", run)
    outcome = mata("info", "tiny")
    assert outcome.code == 0
    assert outcome.err == "mata: warning: ours\n"
