"""Methods that make a model listen more, one file each, and what they have in common.

``method`` applies, saves and loads any of them; ``one_change`` is the base of those that change the
attention to one kind of tokens; ``presets`` are published settings. To add a method, write a file
with a frozen dataclass, and import it here.
"""

from mata_audio.methods.aad import AAD
from mata_audio.methods.adapt_vis import AdaptVis
from mata_audio.methods.caac import CAAC
from mata_audio.methods.changes import Changes
from mata_audio.methods.contrast import Contrast
from mata_audio.methods.gacl import GACL
from mata_audio.methods.mass import Mass
from mata_audio.methods.mata import MATA
from mata_audio.methods.method import METHODS, Method
from mata_audio.methods.pai import PAI
from mata_audio.methods.tcd import TCD
from mata_audio.methods.vaf import VAF
from mata_audio.methods.value import Value
from mata_audio.methods.vcd import VCD

__all__ = [
    "AAD",
    "CAAC",
    "GACL",
    "MATA",
    "METHODS",
    "PAI",
    "TCD",
    "VAF",
    "VCD",
    "AdaptVis",
    "Changes",
    "Contrast",
    "Mass",
    "Method",
    "Value",
]
