"""A loop of questions about the same clips, from a terminal or a pipe."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator

from mata_audio.cli.progress import note
from mata_audio.cli.questions import Questions
from mata_audio.cli.terminal import show, terminal_width
from mata_audio.errors import MataError, SettingsError
from mata_audio.notation.did_you_mean import did_you_mean

SIGN = "? "

COMMANDS = {
    "/set": "show the setting; /set alpha=0.5 layers=10-20 changes it, /set paper is the paper's",
    "/help": "show this",
}


def chat(questions: Questions, first: str | None) -> None:
    """Answer questions, one a line, until an empty line, the end of the input or Ctrl-C.

    A line that cannot be answered gives its error, and the next one is read.

    Args:
        questions: answers them.
        first: a question that is asked before any line is read.
    """
    show(questions.header)
    if _on_terminal():
        show("Ask about the audio. An empty line or Ctrl-D ends, /help shows more.")
    for line in _lines(first):
        try:
            _answer(questions, line)
        except MataError as error:
            note(f"error: {error}")


def _answer(questions: Questions, line: str) -> None:
    command, _, words = line.partition(" ")
    if command == "/set":
        if words.strip():
            questions.change(words.strip())
        show(questions.setting_lines)
    elif command == "/help":
        show("\n".join(f"{name:<7}{what}" for name, what in COMMANDS.items()))
    elif command.startswith("/") and "/" not in command[1:]:
        raise SettingsError(
            f"no command {command}{did_you_mean(command, COMMANDS)}; there are "
            f"{' and '.join(COMMANDS)}"
        )
    else:
        asked = questions.ask(line)
        show(f"\nquestion   {line}\n")
        show(asked.text(terminal_width()))


def _lines(first: str | None) -> Iterator[str]:
    """Yield the lines to answer, without the space around them."""
    if first is not None:
        yield first
    stdin = sys.stdin
    if isinstance(stdin, io.TextIOWrapper):
        stdin.reconfigure(errors="replace")  # what is no text is no reason to stop
    terminal = _on_terminal()
    if terminal:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - lines can be edited and called back
    while True:
        try:
            line = input(SIGN) if terminal else stdin.readline()
        except (EOFError, KeyboardInterrupt):
            show()
            return
        if not line.strip():
            return
        yield line.strip()


def _on_terminal() -> bool:
    """Whether a person types and reads; a sign would only spoil a file."""
    return sys.stdin.isatty() and sys.stdout.isatty()
