"""Model families: what differs between them, as data, and finding the parts of a given model.

``family`` says what a row of the table holds, and ``table`` holds the rows; a new family is one
more (see CONTRIBUTING.md). ``locating`` finds a model's decoder, ``wrappers`` the model inside
``torch.compile`` or PEFT; ``row_state`` is what a model keeps of a prompt outside the cache;
``registering`` adds families of users; ``versions`` is what differs
between versions of Transformers.
"""

from mata_audio.families.family import Family, Hearing, Located, PromptStyle
from mata_audio.families.locating import family_named, follow, locate
from mata_audio.families.registering import register_family
from mata_audio.families.row_state import put_row_state, row_state, using_row_state
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
    "put_row_state",
    "register_family",
    "row_state",
    "using_row_state",
]
