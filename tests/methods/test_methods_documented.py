"""Every method says what it is, and docs/methods.md says it too; its example runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from entries import ENTRIES, LAYERS
from expected import Reads

from checks import TOLERANCE, greedy, new_tokens
from mata_audio.methods import METHODS, Method, method
from mata_audio.methods.method import ordered_fields
from reference import Steering
from subject import Subject

PAGE = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")

every_method = pytest.mark.parametrize("cls", METHODS.values(), ids=list(METHODS))


@every_method
def test_a_method_says_what_it_is(cls: type[Method]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*", cls.name)
    assert 10 < len(cls.summary) < 80
    assert not cls.summary.endswith(".")
    assert cls.source == "ours" or "arXiv" in cls.source
    told = cls.__doc__ or ""
    assert "\n\n    Args:\n" in told
    for own in (own for own in ordered_fields(cls) if own.name != "on_no_audio"):
        bases = "".join(base.__doc__ or "" for base in cls.__mro__ if issubclass(base, Method))
        assert re.search(rf"^ +{own.name}: ", bases, re.MULTILINE), f"say what {own.name} is"


@every_method
def test_a_method_has_a_row_in_the_table(cls: type[Method]) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{cls.name}` |")]
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
    assert len(cells) == 5
    assert all(cells)
    for part in re.findall(r"arXiv [\d.]+|ours", cls.source)[:1]:
        assert part.rstrip(".") in cells[2]


@every_method
def test_a_method_has_an_entry(cls: type[Method]) -> None:
    assert cls.name in [entry.method.name for entry in ENTRIES], "tests/methods/entries.py"


def test_the_table_has_no_other_rows() -> None:
    named = re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE, re.MULTILINE)
    assert sorted(named) == sorted(METHODS)


def test_the_example_of_a_method_of_your_own(
    surer: Subject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It runs as it stands, and does what it says: the reference agrees."""
    monkeypatch.setattr(method, "METHODS", dict(METHODS))
    (example,) = re.findall(
        r"```python\n(.*?)```", PAGE.partition("## A method of your own")[2], re.S
    )
    inputs = surer.inputs([("What is this?", [1.0])])
    names: dict[str, Any] = {"model": surer.model, "inputs": inputs, "__name__": __name__}
    exec(compile(example, "docs/methods.md", "exec"), names)
    assert "audio" in capsys.readouterr().out
    assert "further" in method.METHODS

    with names["Further"](alpha=0.3)(surer.model):
        output = surer.model.generate(**inputs, **greedy(surer))
    reads = Reads(surer, inputs, new_tokens(inputs, output))
    louder, plain = reads.under([(Steering(LAYERS, 0.3, "mass"), "audio")]), reads.under()
    assert (torch.stack(output.logits, 1) - (2 * louder - plain)).abs().max() < TOLERANCE
    assert (louder - plain).abs().max() > 100 * TOLERANCE
