"""Roles in docstrings, such as ``:class:`~mata_audio.MATA` ``, as Markdown, for the reference."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`([^`]+)`")


def as_code(role: re.Match[str]) -> str:
    """Return a role's target as code; after ``~``, only its last name."""
    target = role[1]
    return f"`{target.rpartition('.')[2] if target.startswith('~') else target}`"


class DocstringRoles(Extension):
    """Rewrites the docstring of every object that is read."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(as_code, obj.docstring.value)
