"""Prompt templates: how a question and its choices become the text of a prompt."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Final

from mata_audio.errors import TemplateError
from mata_audio.evaluation.task import Task
from mata_audio.evaluation.templates.published import ROWS
from mata_audio.notation.did_you_mean import did_you_mean

_PLACEHOLDERS: Final = ("{question}", "{choices}")
_PLACEHOLDER: Final = re.compile(r"\{\s*[A-Za-z_]\w*\s*\}")


def _lettered(pattern: str, separator: str) -> Callable[[Sequence[str]], str]:
    def render(choices: Sequence[str]) -> str:
        return separator.join(
            pattern % (choice_letter(index), choice) for index, choice in enumerate(choices)
        )

    return render


def choice_letter(index: int) -> str:
    """Return the letter of a choice by its place, from 0: A to Z, then AA, AB and so on."""
    before = choice_letter(index // 26 - 1) if index >= 26 else ""
    return before + ascii_uppercase[index % 26]


def _four_lettered(choices: Sequence[str]) -> str:
    # The official scripts always list four choices, and print Python's None for missing ones.
    padded = [*choices, *["None"] * (4 - len(choices))]
    return _lettered("%s. %s", "\n")(padded)


CHOICE_STYLES: Final[Mapping[str, Callable[[Sequence[str]], str]]] = {
    "python-list": lambda choices: str(list(choices)),
    "letters-paren": _lettered("(%s) %s", " "),
    "letters-paren-lines": _lettered("(%s) %s", "\n"),
    "letters-lines": _lettered("%s. %s", "\n"),
    "four-letters-lines": _four_lettered,
    "lines": "\n".join,
}
"""Ways of writing choices: ``['x', 'y']``; ``(A) x (B) y`` on one line, or one a line; ``A. x``,
one a line, or always four of them; just the texts, one a line."""


@dataclass(frozen=True)
class Template:
    """A named prompt.

    Args:
        name: value of ``--template``.
        text: contains ``{question}``, and ``{choices}`` where the choices go.
        system: system prompt; None for that of the model's prompt style.
        audio_first: whether clips precede the text; None for the model's prompt style.
        choices: how the choices are written; a key of :data:`CHOICE_STYLES`.
        source: where the text comes from.

    Raises:
        TemplateError: ``{question}`` is missing, there is an unknown placeholder, or the choice
            style is unknown.
    """

    name: str
    text: str
    system: str | None
    audio_first: bool | None
    choices: str
    source: str

    def __post_init__(self) -> None:
        if "{question}" not in self.text:
            raise TemplateError(f"template {self.name!r}: the text has no {{question}}")
        for found in _PLACEHOLDER.findall(self.text):
            if found not in _PLACEHOLDERS:
                raise TemplateError(
                    f"template {self.name!r}: unknown placeholder {found}; allowed: "
                    f"{', '.join(_PLACEHOLDERS)}"
                )
        if self.choices not in CHOICE_STYLES:
            raise TemplateError(
                f"template {self.name!r}: choices must be one of {', '.join(CHOICE_STYLES)}, "
                f"not {self.choices!r}{did_you_mean(self.choices, CHOICE_STYLES)}"
            )

    @property
    def sha256(self) -> str:
        """Hash of everything that shapes the prompt: all fields but the name and the source."""
        content = [self.text, self.system, self.audio_first, self.choices]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def render(self, question: str, choices: Sequence[str]) -> str:
        """Return the prompt's text.

        It is just the question if the template needs choices and there are none.
        """
        if not choices and "{choices}" in self.text:
            return question
        values = {"{question}": question}
        if choices:
            values["{choices}"] = CHOICE_STYLES[self.choices](choices)
        # One pass, so that braces within the question are not taken for placeholders.
        return _PLACEHOLDER.sub(lambda found: values[found[0]], self.text)


def _template(fields: Mapping[str, Any]) -> Template:
    """Return a template; without ``system`` and ``audio_first``, both are left to the model."""
    return Template(**{"system": None, "audio_first": None, **fields})


TEMPLATES: Final[Mapping[str, Template]] = {
    name: _template({"name": name, **row}) for name, row in ROWS.items()
}


@dataclass(frozen=True)
class ModelDefault:
    """A template that is the default for some families, or for models with a name like this."""

    template: str
    families: tuple[str, ...] = ()
    name_part: str | None = None

    def applies(self, family: str, model_name: str) -> bool:
        """Return whether it is for this model; the case of the name does not matter."""
        if self.name_part is not None and self.name_part in model_name.lower():
            return True
        return family in self.families


MODEL_DEFAULTS: Final = (
    ModelDefault("ke-omni-r", name_part="ke-omni-r"),
    ModelDefault("qwen2.5-omni", families=("qwen2_5_omni", "qwen2_5_omni_thinker")),
    ModelDefault("r1-aqa", families=("qwen2_audio",)),
    ModelDefault("af3", families=("audioflamingo3", "musicflamingo")),
)
"""The first one that applies is used, else ``plain``."""


def default_template(family_model_type: str, model_name: str, task: Task) -> Template:
    """Return the template of a run that names none.

    A task that prescribes a template gets it: its official script reads only the answers which that
    prompt asks for. For all others the model decides (:data:`MODEL_DEFAULTS`), so that models are
    compared as their makers prompt them.

    Args:
        family_model_type: ``model_type`` of the model's family.
        model_name: hub id or folder of the model.
        task: the benchmark.
    """
    if task.template is not None:
        return TEMPLATES[task.template]
    for default in MODEL_DEFAULTS:
        if default.applies(family_model_type, model_name):
            return TEMPLATES[default.template]
    return TEMPLATES["plain"]


_FIELDS: Final[Mapping[str, tuple[type, ...]]] = {
    "name": (str,),
    "text": (str,),
    "system": (str, type(None)),
    "audio_first": (bool, type(None)),
    "choices": (str,),
}
_FILE_TYPES: Final = (".json", ".txt")


def load_template(name_or_path: str | Path) -> Template:
    """Return a named template, or read one from the user's file.

    A ``.txt`` file holds the text; a ``.json`` file holds an object with ``text`` and, optionally,
    ``name``, ``system``, ``audio_first`` and ``choices``. Choices default to ``letters-lines``.

    Raises:
        TemplateError: there is no such template or file, or the file is malformed.
    """
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and name_or_path in TEMPLATES:
        return TEMPLATES[name_or_path]
    if path.suffix.lower() not in _FILE_TYPES:
        hint = did_you_mean(str(name_or_path), TEMPLATES)
        raise TemplateError(
            f"no template {str(name_or_path)!r}{hint}; allowed: {', '.join(TEMPLATES)}, or a file "
            f"ending in {' or '.join(_FILE_TYPES)}"
        )
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise TemplateError(
            f"template file {path} cannot be read ({why}): give the name of a template, or a file "
            f"ending in {' or '.join(_FILE_TYPES)}"
        ) from error
    fields = _json_fields(path, content) if path.suffix.lower() == ".json" else {}
    defaults = {"name": path.stem, "text": content.removesuffix("\n"), "choices": "letters-lines"}
    return _template({**defaults, **fields, "source": f"the user's file {path.name}"})


def _json_fields(path: Path, content: str) -> dict[str, Any]:
    try:
        fields = json.loads(content)
    except (json.JSONDecodeError, RecursionError) as error:
        raise TemplateError(f"template file {path} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise TemplateError(f"template file {path} does not hold a JSON object")
    unknown = [name for name in fields if name not in _FIELDS]
    if unknown:
        raise TemplateError(
            f"template file {path} has unknown fields: {', '.join(unknown)}"
            f"{did_you_mean(unknown[0], _FIELDS)}; allowed: "
            f"{', '.join(_FIELDS)}"
        )
    if "text" not in fields:
        raise TemplateError(f"template file {path} has no text")
    for name, value in fields.items():
        if not isinstance(value, _FIELDS[name]):
            raise TemplateError(f"template file {path}: {name} cannot be {value!r}")
    return fields
