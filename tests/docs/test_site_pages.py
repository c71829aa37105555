"""The generated pages of the site leave nothing out, and its menu has every page."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages_of_docs import ROOT

from mata_audio.cli.main import COMMANDS, NAMES


@pytest.fixture(scope="module")
def tools() -> Iterator[Any]:
    """Imports a module of ``tools/``."""
    sys.path.insert(0, str(ROOT / "tools"))
    yield importlib.import_module
    sys.path.remove(str(ROOT / "tools"))


def in_menu(entries: list[Any]) -> Iterator[str]:
    """Yield the pages of a menu."""
    for entry in entries:
        for value in entry.values():
            yield from in_menu(value) if isinstance(value, list) else [value]


def test_the_menu_has_every_page() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    listed = set(in_menu(config["project"]["nav"]))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages - listed == set()
    assert len(pages) > 20


def test_every_command_and_option_has_its_line(tools: Any) -> None:
    command_pages = tools("command_pages")
    made = dict(command_pages.pages())
    for module in COMMANDS:
        name = NAMES.get(module, module)
        text = made[f"{name}.md"]
        assert f"[`mata {name}`]({name}.md)" in made["index.md"]
        assert f"* [{name}]({name}.md)\n" in made["SUMMARY.md"]
        for action in command_pages.commands()[name]._actions:
            for option in action.option_strings:
                assert re.search(rf"^\| `.*{option}\b.*` \|", text, re.MULTILINE), (name, option)


def test_what_markdown_would_read_is_kept(tools: Any) -> None:
    assert tools("command_pages")._prose("a *b*\nc_d <e>") == r"a \*b\* c\_d \<e>"


def test_every_public_name_has_its_entry(tools: Any) -> None:
    reference_pages = tools("reference_pages")
    made = dict(reference_pages.pages())
    for module in reference_pages.MODULES:
        loaded = importlib.import_module(module)
        for name in getattr(loaded, "__all__", []):
            if not name.startswith("__"):
                text = made[f"{module}.md"]
                assert f"::: {module}.{name}\n" in text or f"## {name}\n" in text, (module, name)


def test_a_name_is_described_where_it_is_met_first(tools: Any) -> None:
    made = dict(tools("reference_pages").pages())
    assert "::: mata_audio.MATA\n" in made["mata_audio.md"]
    described = "## MATA\n\nDescribed in [`mata_audio`](mata_audio.md).\n"
    assert described in made["mata_audio.methods.md"]


def test_links_out_of_the_docs_lead_to_pages(tools: Any) -> None:
    site_pages = tools("site_pages")
    page = ROOT / "docs" / "methods.md"
    given = "[a](../CHANGELOG.md#b) [c](../examples/salmonn_like.py) [d](web.md) [e](http://f.g)"
    text, linked = site_pages.with_links(f"{given}\n```\n[h](i.md)\n```\n", page)
    assert text == (
        "[a](changelog.md#b) [c](files/examples/salmonn_like.py.md) [d](web.md) [e](http://f.g)\n"
        "```\n[h](i.md)\n```\n"
    )
    assert {path.name for path in linked} == {"CHANGELOG.md", "salmonn_like.py", "web.md"}
    with pytest.raises(FileNotFoundError):
        site_pages.with_links("[a](absent.md)", Path(page))
