"""A page for each command of ``mata``, made of its parser: the site's reference of commands."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from mata_audio.cli.main import build_parser

INTRODUCTION = """\
What each command does, from its parser, as `--help` has it. Results go to stdout, progress to
stderr. Exit codes: 0 success, 1 failure, 2 wrong use."""


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command, in the order of ``mata --help``."""
    actions = build_parser()._actions
    found = next(own for own in actions if isinstance(own, argparse._SubParsersAction))
    return dict(found.choices)


def pages() -> Iterator[tuple[str, str]]:
    """Yield the names of files and their text: an index, a page for each command, and the menu."""
    parsers = commands()
    helps = {own.dest: own.help or "" for own in _choices(build_parser())}
    rows = [f"| [`mata {name}`]({name}.md) | {_cell(helps[name])} |\n" for name in parsers]
    table = ["| command | what it does |\n| --- | --- |\n", *rows]
    yield "index.md", "".join([f"# Commands\n\n{INTRODUCTION}\n\n", *table])
    for name, parser in parsers.items():
        yield f"{name}.md", page(name, parser)
    menu = ["* [Overview](index.md)\n", *(f"* [{name}]({name}.md)\n" for name in parsers)]
    yield "SUMMARY.md", "".join(menu)


def page(name: str, parser: argparse.ArgumentParser) -> str:
    """Return the page of one command."""
    parts = [f"# mata {name}\n\n{_prose(parser.description or '')}\n"]
    usage = parser.format_usage().removeprefix("usage: ")
    parts.append(f"\n```text\n{usage}```\n")
    for group in parser._action_groups:
        rows = [_row(parser, action) for action in group._group_actions if _shown(action)]
        if rows:
            title = (group.title or "options").capitalize()
            parts.append(f"\n## {title}\n\n")
            parts.append(f"{_prose(group.description)}\n\n" if group.description else "")
            parts += ["| name | what it does |\n| --- | --- |\n", *rows]
    examples, _, rest = (parser.epilog or "").partition("examples:\n")[2].partition("\n\n")
    if examples:
        unindented = re.sub(r"(?m)^  ", "", examples.rstrip("\n"))
        parts.append(f"\n## Examples\n\n```shell\n{unindented}\n```\n")
    if rest.strip():
        parts.append(f"\n{_prose(rest)}\n")
    return "".join(parts)


def _choices(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    own = next(own for own in parser._actions if isinstance(own, argparse._SubParsersAction))
    return list(own._choices_actions)


def _shown(action: argparse.Action) -> bool:
    return action.help is not argparse.SUPPRESS


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = parser._get_formatter()
    names = formatter._format_action_invocation(action).replace("|", "\\|")
    text = formatter._expand_help(action) if action.help else ""
    needed = " **Required.**" if action.option_strings and action.required else ""
    return f"| `{names}` | {_cell(text)}{needed} |\n"


def _cell(text: str) -> str:
    return _prose(text).replace("|", "\\|")


def _prose(text: str) -> str:
    """Return plain text as Markdown, one line a paragraph."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    joined = "\n\n".join(part for part in paragraphs if part)
    return re.sub(r"([*_<\[\]`])", r"\\\1", joined)
