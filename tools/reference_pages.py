"""A page for each public module, which names what mkdocstrings takes from the docstrings.

Public is what a module's ``__all__`` has; in a module without one, every class and function whose
name does not begin with an underscore. Nothing is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"

INTRODUCTION = "Every public name, from its docstring. Other names may change at any time."
MODULES = (
    "mata_audio",
    "mata_audio.methods",
    "mata_audio.methods.one_change",
    "mata_audio.steering.attachment",
    "mata_audio.steering.receipt",
    "mata_audio.steering.rule",
    "mata_audio.models.loading",
    "mata_audio.models.prompter",
    "mata_audio.settings.named",
    "mata_audio.asking",
    "mata_audio.evaluation",
    "mata_audio.evaluation.results.figures",
    "mata_audio.evaluation.sweep",
    "mata_audio.evaluation.choosing",
    "mata_audio.evaluation.study",
    "mata_audio.evaluation.cluster.ray_executor",
    "mata_audio.profiling",
    "mata_audio.pictures",
    "mata_audio.families",
    "mata_audio.doctor.small_models",
    "mata_audio.tiny",
    "mata_audio.errors",
)
"""In the order of the menu: from what everyone uses to what few do."""


def pages() -> Iterator[tuple[str, str]]:
    """Yield the names of files and their text: an index, a page for each module, and the menu."""
    described: dict[str, str] = {}
    rows = []
    for module in MODULES:
        yield f"{module}.md", page(module, described)
        first = (ast.get_docstring(_tree(module)) or "").partition("\n")[0]
        rows.append(f"| [`{module}`]({module}.md) | {first.replace('``', '`')} |\n")
    table = ["| module | what is in it |\n| --- | --- |\n", *rows]
    yield "index.md", "".join([f"# Python\n\n{INTRODUCTION}\n\n", *table])
    menu = ["* [Overview](index.md)\n", *(f"* [{_short(own)}]({own}.md)\n" for own in MODULES)]
    yield "SUMMARY.md", "".join(menu)


def page(module: str, described: dict[str, str]) -> str:
    """Return the page of a module.

    Args:
        module: its full name.
        described: the pages of the names that have been described, which this adds to.
    """
    parts = [f"# {module}\n\n::: {module}\n    options:\n      members: false\n"]
    parts.append("      show_root_heading: false\n      show_root_toc_entry: false\n")
    for name in names(module):
        whole = f"{module}.{name}" in MODULES
        origin = f"{module}.{name}" if whole else defined(module, name)
        if whole:
            described[origin] = origin
        if origin in described:
            parts.append(
                f"\n## {name}\n\nDescribed in [`{described[origin]}`]({described[origin]}.md).\n"
            )
        else:
            described[origin] = module
            parts.append(f"\n::: {module}.{name}\n")
    return "".join(parts)


def names(module: str) -> list[str]:
    """Return the public names of a module, without those between double underscores."""
    tree = _tree(module)
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            listed: list[str] = ast.literal_eval(node.value)
            return [name for name in listed if not name.startswith("__")]
    kinds = (ast.ClassDef, ast.FunctionDef)
    own = [node.name for node in tree.body if isinstance(node, kinds)]
    return [name for name in own if not name.startswith("_")]


def defined(module: str, name: str) -> str:
    """Return the full name of an object where it is defined, not where it was imported to."""
    for node in ast.walk(_tree(module)):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.startswith("mata_audio")
        ):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return defined(node.module, alias.name)
    return f"{module}.{name}"


def _short(module: str) -> str:
    return module.removeprefix("mata_audio.")


@cache
def _tree(module: str) -> ast.Module:
    path = SOURCE.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))
