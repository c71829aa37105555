"""What differs between model families, as data, and finding the decoder of a given model.

A new family is one :class:`Family` row in :data:`FAMILIES`; see CONTRIBUTING.md.
"""

from mata_audio.families.family import Family, Hearing, Located, PromptStyle
from mata_audio.families.locating import family_named, follow, locate
from mata_audio.families.registering import register_family
from mata_audio.families.table import FAMILIES, UNSUPPORTED

__all__ = [
    "FAMILIES",
    "UNSUPPORTED",
    "Family",
    "Hearing",
    "Located",
    "PromptStyle",
    "family_named",
    "follow",
    "locate",
    "register_family",
]
