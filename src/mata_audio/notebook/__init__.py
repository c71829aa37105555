"""What a notebook shows of results, profiles, pictures, settings and answers: HTML, all escaped.

The objects themselves know nothing of it: ``mata_audio`` tells them who makes their HTML
(:mod:`mata_audio.shown.in_html`). Each kind has a file here, imported when the first is shown.
"""

from __future__ import annotations

from importlib import import_module

_KINDS = {
    "Answer": "of_answer",
    "Choice": "of_choice",
    "DrawnFigure": "of_picture",
    "Method": "of_setting",
    "Preset": "of_setting",
    "Profile": "of_profile",
    "Results": "of_results",
    "Sweep": "of_sweep",
    "Timeline": "of_timeline",
}
"""By name of a class, the file with its ``html``."""


def html_of(shown: object) -> str:
    """Return the HTML of an object of one of the kinds."""
    names = [own.__name__ for own in type(shown).__mro__]
    kind = next(name for name in names if name in _KINDS)
    return str(import_module(f"{__name__}.{_KINDS[kind]}").html(shown))
