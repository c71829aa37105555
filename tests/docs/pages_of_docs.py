"""The Markdown pages that users read, and their blocks of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *map(ROOT.joinpath, ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")),
    ]
)
KEEP_CLIPS = "mata demo --items 200 --keep-clips clips"
"""What the pages give to get clips; blocks that need ``clips`` run behind it."""

BLOCK = re.compile(
    r"^(?:<!-- (?P<key>[a-z ]+): (?P<value>[^>]*) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        page: its page, relative to the repository.
        line: of its first line of text.
        language: after the fence; "" if there is none.
        text: without the fence.
        key: of the comment before it, ``<!-- KEY: VALUE -->``: "needs", "file", "printed" or
            "not run".
        value: names of what is prepared for it, its file's name, which block prints it, or why it
            is not run.
    """

    page: str
    line: int
    language: str
    text: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def needs(self) -> list[str]:
        """Names of what is prepared for it."""
        return self.value.split() if self.key == "needs" else []


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        yield Block(
            page=page.relative_to(ROOT).as_posix(),
            line=text.count("\n", 0, found.start("text")) + 1,
            language=found["language"],
            text=found["text"],
            key=found["key"] or "",
            value=(found["value"] or "").strip(),
        )


BLOCKS = [block for page in PAGES for block in blocks(page)]


def printed_by(block: Block) -> str | None:
    """What a page says that a block prints: the text block after it, if that says so."""
    after = next((own for own in BLOCKS[BLOCKS.index(block) + 1 :] if own.page == block.page), None)
    return after.text if after is not None and after.key == "printed" else None


def commands(block: Block) -> Iterator[str]:
    """Yield the commands of a shell block, each in one line."""
    joined = re.sub(r"\\\n\s*", " ", block.text)
    yield from (line for line in joined.splitlines() if line.strip())
