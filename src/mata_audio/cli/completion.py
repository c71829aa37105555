"""Scripts that complete ``mata`` in a shell, made of its parser by shtab.

They are static: a key press starts no Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping

from mata_audio.evaluation.scoring.readers import READERS
from mata_audio.evaluation.tasks import TASKS
from mata_audio.methods import METHODS
from mata_audio.notation.tokens import TOKENS
from mata_audio.steering.formulas import FORMULAS

SHELLS = ("bash", "zsh", "fish")

PRESETS = (
    "paper-layers",
    "paper-alpha",
    "targets",
    "formulas",
    "single-layers",
    "collapse",
    "methods",
)
WAYS = ("knockout", "profile", "gradient", "gradient-heads", "tune", "search")
DTYPES = ("auto", "float32", "bfloat16", "float16")
PAPER_MODELS = ("qwen2-audio", "qwen2.5-omni", "ke-omni-r")
"""These four are where PyTorch is imported too; the tests hold them against that."""

_ROWS = ("last", "all", "after-audio", "last-8", "random-8")


def words() -> dict[str, Iterable[str]]:
    """Return what may be written, by option or argument that argparse itself has no choices of."""
    from mata_audio.evaluation.templates.template import TEMPLATES

    splits = dict.fromkeys(split for task in TASKS.values() for split in task.splits)
    return {
        "--task": TASKS,
        "--report-task": TASKS,
        "--split": splits,
        "--choose-on": splits,
        "--report-on": splits,
        "--method": METHODS,
        "--methods": METHODS,
        "name": METHODS,
        "--formula": FORMULAS,
        "--formulas": FORMULAS,
        "--rows": _ROWS,
        "--tokens": TOKENS,
        "--layers": ("paper",),
        "--heads": ("all",),
        "--reader": READERS,
        "--template": TEMPLATES,
        "--preset": PRESETS,
        "--by": WAYS,
        "--dtype": DTYPES,
        "--device": ("auto", "cpu", "cuda", "spread"),
        "--attention": ("sdpa", "eager", "flash_attention_2"),
        "--batch-size": ("auto",),
        "--only": PAPER_MODELS,
    }


_FILES = ("FILE", "PATH", "IDS", "SPEC")
_FOLDERS = ("FOLDER", "RUN", "RUN[:SETTING]", "STUDY")

_MODELS = {
    "bash": "_mata_dir_or_tiny",
    "zsh": "_alternative 'models:model:(tiny)' 'folders:folder:_files -/'",
    "fish": "(echo tiny; __fish_complete_directories)",
    "preamble": {
        "bash": '_mata_dir_or_tiny() { compgen -W "tiny" -- "$1"; compgen -d -- "$1"; }',
    },
}
"""MODEL: the embedded model, or a folder."""


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script of one of :data:`SHELLS`.

    Args:
        parser: of ``mata``. It gets choices that make it useless for parsing.
        shell: what it is for.
    """
    import shtab

    by_name = words()
    for action in _actions(parser):
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        known = by_name.get(_name(action))
        if known is not None and action.choices is None:
            action.choices = list(known)
        elif metavar == "MODEL":
            _complete(action, _MODELS)
        elif metavar in _FILES:
            _complete(action, shtab.FILE)
        elif metavar in _FOLDERS:
            _complete(action, shtab.DIRECTORY)
    return f"{shtab.complete(parser, shell).rstrip()}\n"


def _complete(action: argparse.Action, how: Mapping[str, object]) -> None:
    action.complete = how  # type: ignore[attr-defined]  # where shtab looks for it


def _name(action: argparse.Action) -> str:
    return action.option_strings[0] if action.option_strings else action.dest


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options and arguments of all commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action
