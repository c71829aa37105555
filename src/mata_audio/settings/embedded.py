"""Settings of our own for the embedded model, beside the one in its ``mata.json``."""

from mata_audio.methods import Mass

BEST = Mass(alpha=2.0, layers="3-7")
"""The best rule on the tuning split; see docs/explanation/choosing.md, "Which formula"."""
