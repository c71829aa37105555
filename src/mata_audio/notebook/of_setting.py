"""A setting: what it does, its fields, what it costs, and where it comes from."""

from __future__ import annotations

from mata_audio.methods import Method
from mata_audio.methods.mata import Preset
from mata_audio.methods.method import ordered_fields
from mata_audio.notation.gains import describe_gains
from mata_audio.notebook import markup
from mata_audio.settings.from_words import to_words
from mata_audio.settings.in_words import cost


def html(setting: Method | Preset) -> str:
    """Return the fields of a setting, or of the setting of a preset with its evidence."""
    if isinstance(setting, Preset):
        rows = [[name, getattr(setting, name)] for name in ("figures", "evidence", "source")]
        return markup.table(f"Setting for {setting.model}", [], rows) + html(setting.mata)
    rows = [["what it does", setting.summary]]
    for own in ordered_fields(type(setting)):
        value = getattr(setting, own.name)
        default = " (default)" if value == own.default else ""
        rows.append([own.name, _written(own.name, value) + default])
    rows += [["source", setting.source], ["cost", cost(setting)]]
    return markup.table(setting.title, [], rows)


def _written(name: str, value: object) -> str:
    if name == "gains" and value is not None:
        return describe_gains(value)  # type: ignore[arg-type]  # its setting has read it
    return to_words(name, value)
