"""CITATION.cff has the form of CFF 1.2.0, this version, and the paper that the README cites."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# From the schema of CFF 1.2.0: what must be there, and which keys of ours it allows.
REQUIRED = {"cff-version", "message", "title", "authors"}
ALLOWED = REQUIRED | {*("abstract", "keywords", "license", "preferred-citation", "type", "version")}
REFERENCE_REQUIRED = {"type", "title", "authors"}
REFERENCE_ALLOWED = REFERENCE_REQUIRED | {"identifiers", "journal", "url", "year"}
PERSON, ENTITY = {"family-names", "given-names"}, {"name"}


@pytest.fixture(scope="module")
def cited() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_form(cited: dict[str, Any]) -> None:
    assert cited["cff-version"] == "1.2.0"
    assert set(cited) >= REQUIRED
    assert set(cited) <= ALLOWED
    assert cited["type"] == "software"
    work = cited["preferred-citation"]
    assert set(work) >= REFERENCE_REQUIRED
    assert set(work) <= REFERENCE_ALLOWED
    assert work["type"] == "article"
    assert isinstance(work["year"], int)
    assert [own["type"] for own in work["identifiers"]] == ["other", "doi"]
    assert re.fullmatch(r"10\.\d{4,9}(\.\d+)?/\S+", work["identifiers"][1]["value"])
    for author in (*cited["authors"], *work["authors"]):
        assert set(author) in (PERSON, ENTITY)
        assert all(isinstance(name, str) and name for name in author.values())


def test_it_is_of_this_version(cited: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ours = [cited["title"], cited["version"], cited["license"], cited["authors"]]
    assert ours == [project["name"], project["version"], project["license"], project["authors"]]
    assert {cited["preferred-citation"]["url"]} <= set(project["urls"].values())
    later = cited["preferred-citation"]["identifiers"][1]["value"]
    assert f"https://doi.org/{later}" in project["urls"].values()


def test_the_readme_cites_the_same_paper(cited: dict[str, Any]) -> None:
    (entry,) = re.findall(r"```bibtex\n(.*?)```", README, re.DOTALL)
    fields = dict(re.findall(r"^  (\w+) += \{(.*)\},?$", entry, re.MULTILINE))
    paper = cited["preferred-citation"]
    assert fields["title"] == paper["title"]
    assert fields["year"] == str(paper["year"])
    assert fields["journal"].endswith(paper["identifiers"][0]["value"])
    assert fields["author"].split(" and ") == [
        f"{own['family-names']}, {own['given-names']}" for own in paper["authors"]
    ]
