"""The view's script and style, as pages take them in."""

from importlib.resources import files

from mata_audio.settings.colours import in_the_dark, named_colours

_SCRIPTS = ("elements", "player", "answers", "lanes", "timeline", "map", "view")
"""In the order in which they need each other."""


def script() -> str:
    """Return the script that defines ``ListeningView.mount``; ``view.js`` says what it takes."""
    return "\n".join(_content(f"{name}.js") for name in _SCRIPTS)


def style() -> str:
    """Return the style sheet; every rule is under the class ``listening-view``."""
    colours = "".join(
        f"  --lv-{name}: light-dark({colour}, {in_the_dark(colour)});\n"
        for name, colour in named_colours().items()
    )
    return f".listening-view {{\n{colours}}}\n{_content('view.css')}"


def _content(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8").replace("\r\n", "\n")
