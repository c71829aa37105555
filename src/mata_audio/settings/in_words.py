"""A setting in words: a short name for tables, and what it does to a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mata_audio.methods.method import Method, ordered_fields
from mata_audio.notation.gains import describe_gains
from mata_audio.notation.layers import format_indices, format_layers, parse_indices
from mata_audio.notation.tokens import in_words
from mata_audio.steering.rule import Change, Rule

if TYPE_CHECKING:
    from mata_audio.families import Located

_BY_ITSELF = ("formula",)
"""Fields whose value says what it is."""

_OF_CHANGES = ("layers", "heads", "gains", "rows", "seed", "tokens", "changes")
"""Fields that a change of attention says itself."""


def short_name(method: Method) -> str:
    """Return a name that differs between settings, such as ``alpha 0.1, layers 10-20``."""
    parts = [] if method.name == "mata" else [method.name]
    for field in ordered_fields(type(method)):
        value = getattr(method, field.name)
        if field.name == "alpha" or (value != field.default and field.name != "on_no_audio"):
            parts.append(_named(field.name, value))
    return ", ".join(parts)


def _in_full(method: Method) -> str:
    """Return a method's name with its fields, except those that its changes say themselves."""
    parts = [method.name]
    for field in ordered_fields(type(method)):
        value = getattr(method, field.name)
        switched_off = value == field.default == 0
        said_already = field.name in (*_OF_CHANGES, "on_no_audio")
        if not (switched_off or said_already or value is None):
            parts.append(_named(field.name, value))
    return ", ".join(parts)


def _named(field: str, value: Any) -> str:
    if field == "gains":
        return describe_gains(value)
    if field == "changes":
        return " and ".join(map(_change_named, value))
    if field == "layers":
        return f"layers {format_layers(value)}"
    if field == "heads":
        return f"heads {format_indices(parse_indices(field, value) or ())}"
    if isinstance(value, bool):
        return field if value else f"not {field}"
    if field in _BY_ITSELF:
        return str(value)
    return f"{field} {value:g}" if isinstance(value, float) else f"{field} {value}"


def _change_named(change: Change) -> str:
    """Return a short name of a change, such as ``mass 0.5 of audio``."""
    parts = [f"{change.formula} {change.alpha:g} of {change.keys}"]
    for field in ("layers", "heads", "gains"):
        value = getattr(change, field)
        if value is not None:
            parts.append(f"({_named(field, value)})")
    return " ".join(parts)


def describe_on(method: Method, located: Located) -> str:
    """Return what a setting does to a model; errors as for :func:`describe`."""
    return describe(method, located.depth, located.heads, located.attending)


def describe(
    method: Method, layers: int, heads: int, attending: Sequence[int] | None = None
) -> str:
    """Return what a setting does to a decoder, in words.

    Args:
        method: the setting.
        layers: depth of the decoder.
        heads: query heads of a layer.
        attending: layers that have attention; None for all.

    Raises:
        SettingsError: the setting does not fit the decoder.
    """
    from mata_audio.steering.gain_tensor import gain_tensor

    rule = method.rule()
    for change in (change for view in rule.views for change in view):
        gain_tensor(change, layers, heads, attending)  # raises if the setting does not fit
    heard = rule.views[0]
    said = " and ".join(_change_in_words(change, layers, attending) for change in heard)
    by_itself = rule.combine is None and rule.look is None and len(heard) == 1
    if not (by_itself and method.name in ("mata", heard[0].formula)):
        said = f"{_in_full(method)}: {said}" if said else _in_full(method)
    if rule.look is not None:
        said += ", scaled by a first look"
    return said + _rows_in_words(rule)


def cost(method: Method) -> str:
    """Return what a method costs, in words."""
    rule = method.rule()
    views = len(rule.views)
    parts = [f"{views} row{'s' if views > 1 else ''} a token"]
    if rule.look is not None:
        parts.append("1 more pass a token" if rule.look.each_step else "1 more pass an answer")
    parts += [f"a second prompt ({name})" for name in rule.others]
    parts.append("shares the prefill" if rule.rows.is_last else "a prefill of its own")
    return ", ".join(parts)


def _change_in_words(change: Change, layers: int, attending: Sequence[int] | None) -> str:
    from mata_audio.steering.gain_tensor import chosen_layers

    keys = "" if change.keys == "audio" else f", {in_words(change.keys)} tokens"
    if change.gains is not None:
        scale = "" if change.alpha == 1 else f", alpha {change.alpha:g} times"
        return f"{change.formula}{scale}, {describe_gains(change.gains)}{keys}"
    named = parse_indices("heads", change.heads)
    which = "all heads" if named is None else f"heads {format_indices(named)}"
    steered = format_indices(chosen_layers(change, layers, attending))
    return (
        f"{change.formula}, alpha {change.alpha:g}, layers {steered} of 0-{layers - 1}, "
        f"{which}{keys}"
    )


def _rows_in_words(rule: Rule) -> str:
    rows = rule.rows
    if rows.is_last:
        return ""
    name = rows.kind if rows.kind in ("all", "after-audio") else f"{rows.kind}-{rows.count}"
    return f", rows {name}" + (f" (seed {rows.seed})" if rows.kind == "random" else "")
