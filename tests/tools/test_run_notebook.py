"""The notebook runs from top to bottom, and shows what is kept in its file."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import transformers

import models
from mata_audio.doctor.small_models.small_model import built
from rounding import is_same

nbformat = pytest.importorskip("nbformat", reason="needs mata-audio[dev]")
pytest.importorskip("nbclient", reason="needs mata-audio[dev]")
pytest.importorskip("ipykernel", reason="needs mata-audio[dev]")
pytest.importorskip("matplotlib", reason="needs mata-audio[pictures]")

PLACE = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|usr|opt|work|Users|private)/")
"""A path of somebody's machine."""


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_a_run_shows_what_is_kept(tool: Any, tmp_path: Path) -> None:
    """If not, look at the differences; ``make notebook`` keeps the new outputs."""
    notebook = tool.read()
    bare = copy.deepcopy(notebook)
    for cell in code(bare):
        cell.update(outputs=[], execution_count=None)
    run = tool.executed(bare, tmp_path)
    for cell, now, before in zip(code(run), tool.told(run), tool.told(notebook), strict=True):
        for line, kept in zip(now.splitlines(), before.splitlines(), strict=True):
            assert is_same(line, kept), f"{cell.source}\n{line}\n{kept}"
    assert (tmp_path / "runs" / "notebook" / "tiny" / "chosen" / "report.html").exists()


def test_another_model(tool: Any, tmp_path: Path) -> None:
    """Only the first cell is changed; random weights, so that no setting is better."""
    config = models.qwen2_audio().config
    config.text_config.num_hidden_layers = 12
    config.text_config.layer_types = ["full_attention"] * 12
    model = built(transformers.Qwen2AudioForConditionalGeneration, config)
    folder = models.save(model, models.qwen2_audio_processor(), tmp_path / "another")
    notebook = tool.read()
    for before, after in (('MODEL = "tiny"', f'MODEL = "{folder}"'), ("= 240", "= 24")):
        assert before in code(notebook)[0].source
        code(notebook)[0].source = code(notebook)[0].source.replace(before, after)
    run = tool.executed(notebook, tmp_path)
    assert "Nothing was found with 12 items" in "".join(tool.told(run))
    assert (tmp_path / "runs" / "notebook" / "another" / "chosen" / "report.html").exists()


def test_what_is_kept(tool: Any) -> None:
    notebook = tool.read()
    assert nbformat.writes(tool.kept(notebook)) == nbformat.writes(notebook), "make notebook"
    assert tool.NOTEBOOK.stat().st_size < 1_500_000
    shown = tool.told(notebook)
    assert sum(text.count("(image)") for text in shown) >= 6
    assert sum(text.count("(audio)") for text in shown) == 1
    for text in [*shown, *(cell.source for cell in notebook.cells)]:
        assert not PLACE.search(text)
        assert '"stderr"' not in text


def test_a_place_is_found() -> None:
    assert PLACE.search("in /home/somebody/run")
    assert PLACE.search('"/tmp/x.wav"')
    assert not PLACE.search("https://example.org/home/ runs/tmp/ data:x/tmp/")


def test_what_a_stale_notebook_is_told_by(tool: Any) -> None:
    notebook = tool.read()
    before = tool.told(notebook)
    for output in (output for cell in code(notebook) for output in cell.outputs):
        was = copy.deepcopy(output)
        if output.output_type == "stream":
            output.text += "x"
        else:
            output.data = dict.fromkeys(output.data, "x")
        assert tool.told(notebook) != before
        output.clear()
        output.update(was)
    assert tool.told(notebook) == before


def test_links_lead_to_files(tool: Any) -> None:
    text = "\n".join(cell.source for cell in tool.read().cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)#]*)", text)
    assert len(links) > 5
    assert [link for link in links if not (tool.NOTEBOOK.parent / link).is_file()] == []


def test_printed_text_is_one_piece(tool: Any) -> None:
    def printed(name: str, text: str) -> Any:
        return nbformat.v4.new_output("stream", name=name, text=text)

    value = nbformat.v4.new_output("execute_result", {"text/plain": "1"}, execution_count=1)
    sent = [printed("stdout", "a"), printed("stdout", "b"), printed("stderr", "c"), value]
    assert tool.joined(sent) == [printed("stdout", "ab"), printed("stderr", "c"), value]
