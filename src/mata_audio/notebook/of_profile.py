"""A profile: attention on audio by layer, as a table and a picture."""

from __future__ import annotations

from mata_audio.evaluation.results.number_format import counted
from mata_audio.notebook import markup
from mata_audio.pictures import mass_by_layer
from mata_audio.pictures.attention import AUDIO
from mata_audio.profiling import Profile


def html(profile: Profile) -> str:
    """Return how much of the last token's attention goes to audio in each layer."""
    shares = [own.of(AUDIO, profile.kinds) for own in profile.attention.values()]
    rows = [
        [str(layer), *(f"{100 * share[layer]:.1f}" for share in shares)]
        for layer in range(profile.layers)
    ]
    caption = f"Attention on audio in %, mean over heads and {counted(profile.items, 'prompt')}"
    made = markup.table(caption, ["layer", *profile.attention], rows)
    return made + markup.picture("mass_by_layer", lambda: mass_by_layer(profile))
