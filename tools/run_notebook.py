"""Runs the notebook of ``examples/`` from top to bottom, and keeps its outputs in one form.

``python tools/run_notebook.py`` writes the file. It runs in an empty folder, as it would for
somebody who has only the package.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "examples" / "listen.ipynb"
EMBEDDED = re.compile(r'data:([a-z]+)/[^"]*')
"""A sound or a picture in HTML."""
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",  # the embedded model is too small to gain from more
    "PYTHONWARNINGS": "ignore:IProgress not found",  # without ipywidgets; no bar is shown
}
SECONDS = 600
"""Longest time for a cell, on a busy machine."""


def read(path: Path = NOTEBOOK) -> Any:
    """Return a notebook."""
    return nbformat.read(path, as_version=4)


def executed(notebook: Any, folder: Path) -> Any:
    """Return a notebook with the outputs of a run in ``folder``, as they are kept.

    Raises:
        CellExecutionError: a cell failed.
    """
    run = nbformat.from_dict(notebook)
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(run, kernel_name="python3", timeout=SECONDS, resources=where)
    client.execute(env={**os.environ, **ENVIRONMENT})
    return kept(run)


def kept(run: Any) -> Any:
    """Return a notebook without what differs by run, by machine or by editor."""
    cells = []
    for number, cell in enumerate(run.cells, start=1):
        own = {"id": f"cell-{number:02}", "cell_type": cell.cell_type, "metadata": {}}
        own["source"] = cell.source
        if cell.cell_type == "code":
            own |= {"execution_count": cell.execution_count, "outputs": joined(cell.outputs)}
        cells.append(own)
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": python, "language_info": {"name": "python"}}
    return nbformat.from_dict(
        {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    )


def joined(outputs: list[Any]) -> list[dict[str, Any]]:
    """Return the outputs of a cell, printed text in one piece however the kernel has sent it."""
    whole: list[dict[str, Any]] = []
    for output in map(dict, outputs):
        if output["output_type"] != "stream":
            whole.append({**output, "metadata": {}})
        elif whole and whole[-1].get("name") == output["name"]:
            whole[-1]["text"] += output["text"]
        else:
            whole.append(output)
    return whole


def told(notebook: Any) -> list[str]:
    """Return what each cell of code shows; of a sound or a picture, that there is one."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [json.dumps(cell.outputs, indent=1, sort_keys=True) for cell in code]
    return [EMBEDDED.sub(r"(\1)", text) for text in shown]


def main() -> None:
    """Run the notebook and write it."""
    with tempfile.TemporaryDirectory() as folder:
        run = executed(read(), Path(folder))
    nbformat.write(run, NOTEBOOK)


if __name__ == "__main__":
    main()
