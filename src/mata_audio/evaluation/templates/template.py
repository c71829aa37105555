"""Prompt templates: how a question and its choices become the text that a model reads."""

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
from mata_audio.evaluation.templates.table import ROWS

_PLACEHOLDERS: Final = ("{question}", "{choices}")
_PLACEHOLDER: Final = re.compile(r"\{\s*[A-Za-z_]\w*\s*\}")


def _lettered(pattern: str, separator: str) -> Callable[[Sequence[str]], str]:
    def render(choices: Sequence[str]) -> str:
        return separator.join(
            pattern % (_letters(index), choice) for index, choice in enumerate(choices)
        )

    return render


def _letters(index: int) -> str:
    """Return A to Z, then AA, AB and so on."""
    before = _letters(index // 26 - 1) if index >= 26 else ""
    return before + ascii_uppercase[index % 26]


def _four_lettered(choices: Sequence[str]) -> str:
    # The official scripts always list four and print Python's None for those an item lacks.
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
"""How choices can be written: ``['x', 'y']``; ``(A) x (B) y``, on one line or one a line;
``A. x``, one a line, or always four of them; the texts alone, one a line."""


@dataclass(frozen=True)
class Template:
    """A named prompt.

    Args:
        name: what ``--template`` takes.
        text: with ``{question}`` in it, and ``{choices}`` where the choices go.
        system: system prompt; None for that of the model's prompt style.
        audio_first: clips before the text, or after it; None for the model's prompt style.
        choices: how the choices are written; a key of :data:`CHOICE_STYLES`.
        source: where the text comes from.

    Raises:
        TemplateError: ``{question}`` is missing, another placeholder is there, or the way of
            writing choices is unknown.
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
                f"not {self.choices!r}"
            )

    @property
    def sha256(self) -> str:
        """Hash of all that shapes the prompt: everything but the name and the source."""
        content = [self.text, self.system, self.audio_first, self.choices]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def render(self, question: str, choices: Sequence[str]) -> str:
        """Return the prompt's text; for an item without choices, if the text needs them, the
        question alone.
        """
        if not choices and "{choices}" in self.text:
            return question
        values = {"{question}": question}
        if choices:
            values["{choices}"] = CHOICE_STYLES[self.choices](choices)
        # One pass: braces within the question are no placeholders.
        return _PLACEHOLDER.sub(lambda found: values[found[0]], self.text)


TEMPLATES: Final[Mapping[str, Template]] = {
    name: Template(name=name, **row) for name, row in ROWS.items()
}


@dataclass(frozen=True)
class Rule:
    """When a template is the default: for these families, or for names that hold this part."""

    template: str
    families: tuple[str, ...] = ()
    name_part: str | None = None

    def applies(self, family: str, model_name: str) -> bool:
        """Say whether the rule is for this model; case of the name does not matter."""
        if self.name_part is not None and self.name_part in model_name.lower():
            return True
        return family in self.families


FIXED: Final = ("mmsu", "air-bench", "question")
"""Prompts that belong to a benchmark: its official scorer reads only what they ask for."""

RULES: Final = (
    Rule("ke-omni-r", name_part="ke-omni-r"),
    Rule("qwen2.5-omni", families=("qwen2_5_omni", "qwen2_5_omni_thinker")),
    Rule("r1-aqa", families=("qwen2_audio",)),
    Rule("af3", families=("audioflamingo3", "musicflamingo")),
)
"""For all other benchmarks: the first rule that applies, else ``plain``."""


def default_template(family_model_type: str, model_name: str, task: Task) -> Template:
    """Return the template used where none is asked for.

    A task whose ``template`` is one of :data:`FIXED` is always asked with it. For the others the
    model decides (:data:`RULES`), since models are compared as their makers prompt them.

    Args:
        family_model_type: ``model_type`` of the model's family.
        model_name: hub id or folder of the model.
        task: the benchmark.
    """
    if task.template in FIXED:
        return TEMPLATES[task.template]
    for rule in RULES:
        if rule.applies(family_model_type, model_name):
            return TEMPLATES[rule.template]
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
    """Return a named template, or read one from a file of the user's.

    A ``.txt`` file holds the text; a ``.json`` file holds an object with ``text`` and, if wanted,
    ``name``, ``system``, ``audio_first`` and ``choices``. Choices default to ``letters-lines``.

    Raises:
        TemplateError: there is no such template or file, or the file is not a well-formed one.
    """
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and name_or_path in TEMPLATES:
        return TEMPLATES[name_or_path]
    if path.suffix.lower() not in _FILE_TYPES:
        raise TemplateError(
            f"no template {str(name_or_path)!r}; allowed: {', '.join(TEMPLATES)}, or a file ending "
            f"in {' or '.join(_FILE_TYPES)}"
        )
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"template file {path} cannot be read: {error}") from error
    fields = _json_fields(path, content) if path.suffix.lower() == ".json" else {}
    return Template(
        name=fields.get("name", path.stem),
        text=fields.get("text", content.removesuffix("\n")),
        system=fields.get("system"),
        audio_first=fields.get("audio_first"),
        choices=fields.get("choices", "letters-lines"),
        source=f"the user's file {path.name}",
    )


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
            f"template file {path} has unknown fields: {', '.join(unknown)}; allowed: "
            f"{', '.join(_FIELDS)}"
        )
    if "text" not in fields:
        raise TemplateError(f"template file {path} has no text")
    for name, value in fields.items():
        if not isinstance(value, _FIELDS[name]):
            raise TemplateError(f"template file {path}: {name} cannot be {value!r}")
    return fields
