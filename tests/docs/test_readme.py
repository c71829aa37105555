"""The README is short, opens with what counts, and its figures are those of their sources."""

from __future__ import annotations

import re
import tomllib

import pytest
from pages_of_docs import BLOCKS, KEEP_CLIPS, ROOT

from mata_audio.evaluation.reproduction.paper import TABLES
from mata_audio.evaluation.study.study_file import load_study

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = TEXT.splitlines()
FIRST = "\n".join(LINES[:42])


def cells(start: str) -> list[str]:
    """The figures of a row of the README's table."""
    (line,) = [line for line in LINES if line.startswith(f"| {start}")]
    return [cell.strip(" *") for cell in line.split("|")[2:-1]]


def test_it_is_short() -> None:
    assert len(LINES) <= 150


def test_the_first_screen() -> None:
    assert "](docs/assets/listening.png)" in FIRST
    assert "| right answers, % | unmodified | MATA | [Mass]" in FIRST
    for command in ("make demo ", "make test ", "pip install .", KEEP_CLIPS):
        assert f"\n{command}" in FIRST
    assert "\n```python\n" in FIRST


@pytest.mark.parametrize(
    ("row", "group"),
    [
        ("**measured here**: embedded model, 2,412", "all"),
        ("of these, 804", "caption contradicts"),
    ],
)
def test_measured_figures_are_the_studys(row: str, group: str) -> None:
    study = load_study(ROOT / "docs" / "results" / "small-tiny.json")
    chosen = {own.method: own for own in study.entries if own.how == "chosen"}
    before, after = [], []
    for method in ("mata", "mass"):
        (paired,) = [own.paired for own in chosen[method].figures if own.name == group]
        assert f"{paired.n:,} " in row + " "
        before.append(f"{100 * paired.before:.1f}")
        after.append(f"{100 * paired.after:.1f}")
    assert cells(row) == [before[0], *after]
    assert before[0] == before[1]
    plain = " ".join(TEXT.split())
    alphas = [chosen[method].setting["alpha"] for method in ("mata", "mass")]
    assert "MATA has alpha {:.0f} and Mass alpha {:.0f}, on layers 3-7".format(*alphas) in plain
    assert {chosen[method].setting["layers"] for method in ("mata", "mass")} == {"3-7 of 12"}
    assert f"chosen on {study.choosing.items} other questions" in plain
    (own,) = [own for own in study.entries if (own.method, own.how) == ("mata", "published")]
    assert f"own alpha, {own.setting['alpha']}, gains" in plain
    (gain,) = [100 * each.paired.difference for each in own.figures if each.name == "all"]
    assert f"gains {gain:.1f} points there" in plain


@pytest.mark.parametrize("model", ["Qwen2.5-Omni-7B", "Qwen2-Audio-7B-Instruct"])
def test_the_papers_figures_are_the_papers(model: str) -> None:
    (line,) = [
        line for line in LINES if line.startswith("| ") and f"{model}, MMAU test-mini" in line
    ]
    assert line.lstrip("| *").startswith("the paper's")
    (table,) = [own for own in TABLES if own.title == f"{model} on MMAU test-mini"]
    figures = [cell.strip() for cell in line.split("|")[2:-1]]
    assert figures == [f"{table.baseline.average}", f"{table.mata.average}", ""]


def test_the_papers_other_figures() -> None:
    (full,) = [own for own in TABLES if own.title == "Qwen2-Audio-7B-Instruct on MMAU test"]
    gains = [own.mata.average - own.baseline.average for own in TABLES]
    plain = " ".join(TEXT.split())
    assert f"range from +{max(gains):.1f} points (above) to none (Qwen2-Audio on the full" in plain
    assert min(gains) == 0.0
    assert full.baseline.average == full.mata.average
    assert f"MMAU test: {full.mata.average} % with and without" in plain


def test_badges_say_what_the_package_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [own.rpartition(" ")[2] for own in project["classifiers"] if "Python :: 3." in own]
    badges = dict(re.findall(r"\[!\[(\w+): (.*?)\]\(https://img\.shields\.io/badge/", TEXT))
    assert badges["Python"] == " | ".join(versions)
    assert badges["Licence"] == project["license"]
    assert (
        f"https://{badges['Paper'].replace('arXiv ', 'arxiv.org/abs/')}" in project["urls"].values()
    )


def test_as_many_families_as_the_table_has() -> None:
    page = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    table = page[page.index("<!-- support table") : page.index("<!-- /support table -->")]
    rows = [
        line for line in table.splitlines() if line.startswith("| `") and "`model_type`" not in line
    ]
    assert f"[{len(rows)} families](docs/families.md)" in TEXT


def test_every_snippet_runs() -> None:
    """None of the README's blocks of Python is only compiled, and one's output is shown."""
    own = [block for block in BLOCKS if block.page == "README.md"]
    assert [block.key for block in own if block.language == "python"] == ["needs"] * 3
    assert [block.key for block in own if block.language == "text"] == ["printed"]
