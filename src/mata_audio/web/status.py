"""What the page says: one line under the setting, read out by screen readers."""

from __future__ import annotations

import html


def said(text: str) -> str:
    """Return a message as HTML."""
    return f"<p role='status'>{html.escape(text)}</p>"


def wrong(text: str) -> str:
    """Return a message about something that is wrong as HTML."""
    return f"<p role='alert' class='wrong'>{html.escape(text)}</p>"
