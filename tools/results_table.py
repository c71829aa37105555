"""The tables of docs/results.md, made of the files in docs/results/.

``python tools/results_table.py`` writes them; ``--check`` only says whether they are up to date.
Either way, every file is checked: its figures must fit together.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mata_audio.errors import RunError
from mata_audio.evaluation.results.number_format import p_value, percent, points
from mata_audio.evaluation.results.table import escaped_markdown
from mata_audio.evaluation.study.checked import problems
from mata_audio.evaluation.study.outcome import Study, overall
from mata_audio.evaluation.study.study_file import load_study
from mata_audio.evaluation.study.tables import joined_markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"
FOLDER = ROOT / "docs" / "results"
START, END = "<!-- results -->\n", "<!-- /results -->\n"
JOINED_START, JOINED_END = "<!-- small models -->\n", "<!-- /small models -->\n"
SMALL = ("small-tiny.json", "small-seed1-12layers.json", "small-seed2-16layers.json")
"""Our own studies (``make bench-methods``), side by side in a table of their own."""
HEADINGS = (
    "model",
    "settings chosen on",
    "reported on",
    "baseline, %",
    "without audio, %",
    "recommended",
    "points",
    "gained / lost",
    "p (Holm)",
    "on groups left out",
    "file",
)


def row(study: Study, file: str) -> list[str]:
    """Return the cells of a study."""
    base = next(own for own in study.baseline if own.grouping == "")
    arm, best = study.unheard, study.recommended
    found = None if best is None else best.overall
    figures = ["nothing", "", "", "", ""]
    if best is not None and found is not None:
        pooled = [(out.key, overall(out.figures)) for out in best.left_out]
        figures = [
            f"{best.method}: {best.description}",
            points(found.difference),
            f"{found.gained:,} / {found.lost:,}",
            p_value(found.p_holm),
            ", ".join(f"{key} {points(own.difference)}" for key, own in pooled if own is not None),
        ]
    return [
        str(study.model["name"]),
        *(
            f"{part.title} {part.split}, {part.items:,} items"
            for part in (study.choosing, study.reporting)
        ),
        percent(base.correct / base.n),
        "" if arm is None else percent(arm.correct / arm.n),
        *figures,
        f"[{file}](results/{file})",
    ]


def table(folder: Path) -> str:
    """Return the table of all files of a folder, by name.

    Raises:
        RunError: a file cannot be read, or its figures do not fit together.
    """
    rows = []
    for path in sorted(folder.glob("*.json")):
        study = load_study(path)
        wrong = problems(study)
        if wrong:
            raise RunError(f"{path}: {wrong[0]}")
        rows.append([*map(escaped_markdown, row(study, path.name)[:-1]), row(study, path.name)[-1]])
    if not rows:
        return "No study has been sent yet.\n"
    lines = [list(HEADINGS), ["---"] * len(HEADINGS), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def joined(folder: Path) -> str:
    """Return one table of methods and our own small models; errors as for a missing file."""
    whole = joined_markdown([load_study(folder / name) for name in SMALL])
    return whole[whole.index("| method") :].replace(" on mata-tiny test-2: 2,412 items", "")


def with_table(page: str, made: str, start: str = START, end: str = END) -> str:
    """Return a page with the table between two markers replaced."""
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    return "".join([before, start, made, end, after])


def main(arguments: list[str]) -> int:
    """Write the table, or check it."""
    page = PAGE.read_text(encoding="utf-8")
    try:
        made = with_table(page, table(FOLDER))
        made = with_table(made, joined(FOLDER), JOINED_START, JOINED_END)
    except RunError as error:
        print(error, file=sys.stderr)
        return 1
    if "--check" not in arguments:
        PAGE.write_text(made, encoding="utf-8")
    elif made != page:
        print("docs/results.md is out of date: run make results-table", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
