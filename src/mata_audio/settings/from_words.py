"""A setting from words: the fields of any method, each value read by its field's type."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field
from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.methods import MATA
from mata_audio.methods.method import Method, method_named, ordered_fields
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.notation.layers import format_indices, format_layers

DEFAULT_WORDS = {"layers": "paper", "heads": "all"}
"""What to write for a field's default, None."""


def separate(words: str, origin: str, form: str, presets: Sequence[str]) -> dict[str, str]:
    """Return the words of each field in ``"alpha=0.2 layers=10-20"``, which may be quoted.

    Args:
        words: the whole.
        origin: where it comes from, for messages.
        form: what may be written, for messages.
        presets: words that may stand by themselves, for messages.

    Raises:
        SettingsError: a part is no field with a value, or a field is there twice.
    """
    found: dict[str, str] = {}
    try:
        parts = shlex.split(words)
    except ValueError as error:
        raise SettingsError(f"cannot read {origin} ({error}): {form}") from error
    for part in parts:
        name, equals, value = part.partition("=")
        if not (name and equals) or name in found:
            hint = did_you_mean(part, presets)
            raise SettingsError(f"cannot read {part!r} in {origin}{hint}: {form}")
        found[name] = value
    return found


def method_from_words(words: Mapping[str, str], origin: str) -> Method:
    """Return the method that words describe: ``method``, the paper's without it, and its fields.

    Args:
        words: what a user wrote, by name of the field.
        origin: where it comes from, for messages.

    Raises:
        SettingsError: no such method or field, or a value that cannot be read or is not allowed.
    """
    fields = {name: text for name, text in words.items() if name != "method"}
    cls = method_named(words.get("method", MATA.name), origin)
    try:
        check_fields(cls, fields)
        return cls(**fields_from(cls, fields))
    except SettingsError as error:
        raise SettingsError(f"{origin}: {error}") from error


def fields_from(cls: type[Method], words: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of fields from what a user wrote for them.

    Raises:
        SettingsError: the method has no such field, or its value cannot be read.
    """
    return {name: value_from(cls, name, text) for name, text in words.items()}


def fields_of(words: str, origin: str) -> dict[str, Any]:
    """Return the fields that words such as ``"alpha=0.2 layers=10-20"`` give, for a request.

    ``"off"`` is the unmodified model, ``"paper"`` the paper's setting.

    Args:
        words: fields with their values; ``method=NAME`` among them for another method than MATA.
        origin: where they come from, for messages.

    Raises:
        SettingsError: they cannot be read.
    """
    if words.strip() == "off":
        return {"off": True}
    if words.strip() == "paper":
        return MATA().as_data()
    form = 'write fields once, such as "alpha=0.2 layers=10-20"; "paper" or "off"'
    found = separate(words, f"{origin} {words!r}", form, ("paper", "off"))
    method = found.pop("method", None)
    cls = method_named(method or "mata", origin)
    try:
        fields = fields_from(cls, found)
    except SettingsError as error:
        raise SettingsError(f"{origin}: {error}") from error
    return fields if method is None else {"method": method, **fields}


def value_from(cls: type[Method], name: str, text: str) -> Any:
    """Return the value of one field from what a user wrote for it.

    Raises:
        SettingsError: the method has no such field, or its value cannot be read.
    """
    check_fields(cls, [name])
    own = next(own for own in ordered_fields(cls) if own.name == name)
    kinds = kinds_of(own)
    if text == DEFAULT_WORDS.get(name) and "None" in kinds:
        return None
    if "str" in kinds:
        if name in DEFAULT_WORDS and (hint := did_you_mean(text, [DEFAULT_WORDS[name]])):
            raise SettingsError(f"{name}={text!r} cannot be read{hint}")
        return text
    if text == "none" and "None" in kinds:
        return None
    for kind in kinds:
        if kind in _READERS:
            what, read = _READERS[kind]
            try:
                return read(text)
            except (ValueError, KeyError):
                raise SettingsError(f"{name} must be {what}; got {text!r}") from None
    raise SettingsError(
        f"{name} of {cls.name} cannot be written in words: write a JSON file with "
        f"{cls.__name__}.save, and give it with --settings"
    )


def check_fields(cls: type[Method], names: Iterable[str]) -> None:
    """Check that a method has these fields.

    Raises:
        SettingsError: it lacks one.
    """
    known = field_names(cls)
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise SettingsError(
                f"{cls.name} has no field {name!r}{hint}; it has {', '.join(known)}"
            )


def field_names(cls: type[Method]) -> list[str]:
    """Return the names of a method's fields."""
    return [own.name for own in ordered_fields(cls)]


def kinds_of(own: Field[Any]) -> list[str]:
    """Return the types that a field allows, as they stand in its annotation."""
    return [kind.strip() for kind in str(own.type).split("|")]


def can_be_written(own: Field[Any]) -> bool:
    """Return whether a field can be given in words, and not only in a file."""
    return bool({"str", *_READERS} & set(kinds_of(own)))


def to_words(name: str, value: Any) -> str:
    """Return the words that :func:`value_from` reads as ``value``."""
    if value is None:
        return DEFAULT_WORDS.get(name, "none")
    if name == "layers":
        return format_layers(value)
    if name == "heads":
        return format_indices(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "float": ("a number", float),
    "int": ("a whole number", int),
    "bool": ("true or false", {"true": True, "false": False}.__getitem__),
}
"""By type: what a value must be, and the function that reads it."""
