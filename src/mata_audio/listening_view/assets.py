"""The view's script and style, as pages take them in."""

from importlib.resources import files

_SCRIPTS = ("elements", "player", "answers", "lanes", "timeline", "map", "view")
"""In the order in which they need each other."""


def script() -> str:
    """Return the script that defines ``ListeningView.mount``; ``view.js`` says what it takes."""
    return "\n".join(_content(f"{name}.js") for name in _SCRIPTS)


def style() -> str:
    """Return the style sheet; every rule is under the class ``listening-view``."""
    return _content("view.css")


def _content(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8").replace("\r\n", "\n")
