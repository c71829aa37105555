"""Where the reference looks in the small model of each family; not listed: the plain layout."""

from __future__ import annotations

from reference import Layout

_OMNI = Layout(counts_positions=True)
_WINDOWS = ((0, 12), (2, 12), (4, 12))
LAYOUTS = {
    "qwen2_5_omni": _OMNI,
    "qwen2_5_omni_thinker": _OMNI,
    "qwen3_omni_moe": _OMNI,
    "qwen3_omni_moe_thinker": _OMNI,
    "phi4_multimodal": Layout(decoder="model"),
    "gemma3n": Layout(windows=_WINDOWS),
    "gemma4": Layout(windows=_WINDOWS, single="model.audio_tower"),
    "qwen2_5_vl": Layout(counts_positions=True),
    "qwen3_vl": Layout(counts_positions=True),
    "gemma3": Layout(windows=((0, 12), (2, 12)), mutual=(0, 1, 2, 3)),
    "nemotron_h_omni": Layout(decoder="language_model.model", attention="mixer"),
}
