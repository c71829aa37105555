"""The pages that the site is built of, in ``build/docs/pages``: ``python tools/site_pages.py``.

They are the files of ``docs/``, a few that lie elsewhere, and the generated references. A link to a
file outside ``docs/`` becomes one to its page, or to a page that shows it.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import command_pages
import notebook_page
import reference_pages

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = ROOT / "build" / "docs" / "pages"
ELSEWHERE = {
    ROOT / "CHANGELOG.md": "changelog.md",
    ROOT / "CONTRIBUTING.md": "contributing.md",
    ROOT / "README.md": "index.md",
    ROOT / "examples" / "README.md": "examples.md",
    ROOT / "examples" / "listen.ipynb": "notebook.md",
    ROOT / "src" / "mata_audio" / "tiny" / "model" / "README.md": "embedded-model.md",
}
"""Pages that lie outside ``docs/``, and their names in the site; the README has the site's home."""
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def staged(file: Path) -> str:
    """Return the name in the site of a file of the repository."""
    if file in ELSEWHERE:
        return ELSEWHERE[file]
    if file.is_relative_to(DOCS):
        return file.relative_to(DOCS).as_posix()
    name = file.relative_to(ROOT).as_posix()
    return f"files/{name}.md"


def with_links(text: str, file: Path) -> tuple[str, set[Path]]:
    """Return a page with its links as the site has them, and the files they lead to.

    Raises:
        FileNotFoundError: a link leads nowhere.
    """
    linked: set[Path] = set()

    def rewritten(link: re.Match[str]) -> str:
        before, target, anchor, after = link.groups()
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        path = (file.parent / target).resolve(strict=True)
        linked.add(path)
        name = os.path.relpath(PAGES / staged(path), (PAGES / staged(file)).parent)
        return f"{before}{name}{anchor or ''}{after}"

    parts = FENCED.split(text)
    parts[::2] = [LINK.sub(rewritten, part) for part in parts[::2]]
    return "".join(parts), linked


def shown(file: Path) -> str:
    """Return a page that shows a file."""
    text = file.read_text(encoding="utf-8").rstrip("\n")
    language = {".py": "python"}.get(file.suffix, "text")
    return f"# {file.relative_to(ROOT).as_posix()}\n\n````{language}\n{text}\n````\n"


def put(name: str, text: str) -> None:
    """Write a page."""
    path = PAGES / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Write all pages."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(DOCS, PAGES)
    sources = [*DOCS.rglob("*.md"), *(own for own in ELSEWHERE if own != ROOT / "README.md")]
    outside: set[Path] = set()
    for file in sources:
        text = file.read_text(encoding="utf-8")
        if text.startswith("---\n"):  # a model card's metadata
            text = text.partition("\n---\n")[2].lstrip("\n")
        if file.suffix == ".ipynb":
            text = notebook_page.page(text)
        page, linked = with_links(text, file)
        put(staged(file), page)
        outside |= {own for own in linked if not own.is_relative_to(DOCS) and own not in ELSEWHERE}
    for file in outside:
        put(staged(file), shown(file))
    for folder, made in (("commands", command_pages), ("reference", reference_pages)):
        for name, text in made.pages():
            put(f"{folder}/{name}", text)


if __name__ == "__main__":
    main()
