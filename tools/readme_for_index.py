"""The README for a package index, which shows it without the files beside it.

Links to those files become absolute if `[project.urls]` has a `Source`. As long as there is no
public address, they become plain text: a link that leads nowhere is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_HERE = r"(?!#|//|[a-z][a-z+.-]*:)(?:\./)?"  # neither a place on this page nor an address
_IMAGE = re.compile(rf"!\[([^\]]*)\]\({_HERE}([^)\s]+)\)")
_LINK = re.compile(rf"(?<!!)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))+)\]\({_HERE}([^)\s]+)\)")
_SOURCE = re.compile(rf'\s(src|srcset)="{_HERE}([^"\s]+)"')
_REFERENCE = re.compile(rf'\s(href)="{_HERE}([^"\s]+)"')
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def readme_for_index(text: str, project: Mapping[str, Any]) -> str:
    """Return a README whose relative links are absolute, or plain text.

    Args:
        text: Markdown with single HTML tags. Code between fences stays as it is.
        project: the table `project` of pyproject.toml. Links lead to the tag `v` + version at
            `urls.Source`, in the form of GitHub; pictures to the raw files there.
    """
    source = project.get("urls", {}).get("Source")
    tag = f"v{project['version']}"
    page = f"{source}/blob/{tag}/" if source else None
    file = f"{source}/raw/{tag}/" if source else None

    parts = _FENCED.split(text)  # every second part is code
    parts[::2] = [_rewritten(part, page, file) for part in parts[::2]]
    return "".join(parts)


def _rewritten(text: str, page: str | None, file: str | None) -> str:
    if page is None:
        # Without its address, a picture shows its description, and a link only its text.
        text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
        return _REFERENCE.sub("", _SOURCE.sub("", text))
    text = _LINK.sub(rf"[\1]({page}\2)", _IMAGE.sub(rf"![\1]({file}\2)", text))
    return _REFERENCE.sub(rf' \1="{page}\2"', _SOURCE.sub(rf' \1="{file}\2"', text))
