"""The map of folders in CONTRIBUTING.md, made of the folders' own first docstring lines.

``python tools/folder_map.py`` writes it; with ``--check`` it only says whether it is up to date.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "mata_audio"
PAGE = ROOT / "CONTRIBUTING.md"
START, END = "<!-- folder map -->\n", "<!-- /folder map -->\n"


def first_line(module: Path) -> str:
    """Return the first line of a module's docstring.

    Raises:
        ValueError: it has none, or the line is not a sentence.
    """
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    line = text.partition("\n")[0]
    if not line.endswith((".", "?", "!")):
        name = module.relative_to(ROOT)
        raise ValueError(f"{name}: the first docstring line must be a sentence; it is {line!r}")
    return line.replace("``", "`")


def rows() -> Iterator[str]:
    """Yield a table row for each folder of the package, parents first."""
    for module in sorted(PACKAGE.rglob("__init__.py"), key=lambda path: path.parent.parts):
        if module.parent != PACKAGE:
            yield f"| `{module.parent.relative_to(PACKAGE)}/` | {first_line(module)} |\n"


def with_map(page: str) -> str:
    """Return a page with the map between its markers replaced."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    table = ["| folder | what is in it |\n", "| --- | --- |\n", *rows()]
    return "".join([before, START, *table, END, after])


def main(arguments: list[str]) -> int:
    """Write the map, or check it."""
    page = PAGE.read_text(encoding="utf-8")
    made = with_map(page)
    if "--check" not in arguments:
        PAGE.write_text(made, encoding="utf-8")
    elif made != page:
        print("CONTRIBUTING.md's map of folders is out of date: run make map", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
