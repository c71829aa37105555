"""docs/install.md names every extra once, and what it installs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"[\w.-]+(?:\[[\w,-]+\])?")


def declared() -> dict[str, list[str]]:
    """Extras of pyproject.toml: packages without versions, and extras that are in them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        extra: [part for wanted in requirements for part in parts(wanted)]
        for extra, requirements in project["optional-dependencies"].items()
    }


def parts(requirement: str) -> list[str]:
    ours = re.fullmatch(r"mata-audio\[(.*)\]", requirement)
    if ours:
        return ours[1].split(",")
    name = NAME.match(requirement)
    assert name is not None
    return [name[0]]


def documented() -> list[tuple[str, list[str]]]:
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \|.*\| ([^|]+) \|$", page, flags=re.MULTILINE)
    return [(extra, re.findall(r"`([^`]+)`", packages)) for extra, packages in rows]


def test_every_extra_has_its_row() -> None:
    assert documented() == list(declared().items())


def test_all_is_other_extras() -> None:
    """An extra of `all` that is renamed would be ignored by pip with only a warning."""
    extras = declared()
    assert set(extras["all"]) <= set(extras)
    assert not {"vllm", "ray", "inspect", "lmms-eval", "voxtral", "dev"} & set(extras["all"])
