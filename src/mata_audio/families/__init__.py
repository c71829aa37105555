"""Model families: what differs between them, as data, and finding the parts of a given model.

``family`` says what a row of the table holds, and ``table`` holds the rows; a new family is one
more (see CONTRIBUTING.md). ``locating`` finds a model's decoder, ``wrappers`` the model inside
``torch.compile`` or PEFT; ``registering`` adds families of users; ``versions`` is what differs
between versions of Transformers.
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
