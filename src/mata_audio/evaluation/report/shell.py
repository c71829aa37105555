"""What every page has: templates with our filters, one style, and a policy that loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from mata_audio import listening_view
from mata_audio.evaluation.results.number_format import (
    counted,
    equals_p,
    p_value,
    percent,
    points,
    typeset,
)
from mata_audio.evaluation.results.power import power_sentence
from mata_audio.settings.colours import PAPER, in_the_dark, named_colours

STYLE = "report.css"


def filled(template: str, *scripts: str, listening: bool = False, **values: Any) -> str:
    """Return a page made of a template of this folder, which escapes every value.

    Args:
        template: its file name.
        scripts: file names of the page's scripts, which run one after the other.
        listening: whether the page has the listening view too.
        values: what the template shows.
    """
    style, code = _colours() + resource(STYLE), "\n".join(map(resource, scripts))
    if listening:
        style = f"{style}\n{listening_view.style()}"
        code = f"{listening_view.script()}\n{code}"
    environment = Environment(
        loader=FunctionLoader(resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (percent, points, p_value, equals_p, counted):
        environment.filters[function.__name__] = _typeset(function)
    environment.filters["power_sentence"] = power_sentence
    page = environment.get_template(template).render(
        policy=_policy(style, code), style=Markup(style), script=Markup(code), **values
    )
    # Broken escapes in a question file leave lone surrogates, which UTF-8 cannot encode.
    return page.encode("utf-8", errors="replace").decode("utf-8")


def resource(name: str) -> str:
    """Return the content of a file of this folder."""
    return files(__package__).joinpath(name).read_text("utf-8").replace("\r\n", "\n")


def _colours() -> str:
    """Return a variable for each setting's colour, and a class that makes it an element's own."""
    light = {"--card": PAPER, **{f"--{name}": own for name, own in named_colours().items()}}
    dark = {name: in_the_dark(colour) for name, colour in light.items()}
    classes = "".join(f".{name} {{ --own: var(--{name}); }}\n" for name in named_colours())
    in_dark = f"@media screen and (prefers-color-scheme: dark) {{ {_root(dark)} }}"
    return f"{_root(light)}\n{in_dark}\n{classes}"


def _root(variables: Mapping[str, str]) -> str:
    return ":root { " + " ".join(f"{name}: {value};" for name, value in variables.items()) + " }"


def _typeset(function: Callable[..., str]) -> Callable[..., str]:
    return lambda *values: typeset(function(*values))


def _policy(style: str, script: str) -> str:
    """Return the content security policy: our script and style by hash, audio and pictures."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "media-src data: file: 'self'",
            "img-src data:",  # pictures, and the empty icon
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
