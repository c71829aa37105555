"""The token ids of every small model: text, then special tokens."""

from __future__ import annotations

PAD, EOS, BOS = 0, 1, 2
TEXT = range(5, 96)
AUDIO, AUDIO_START, AUDIO_END, IMAGE, VIDEO, VISION_START, VISION_END = range(100, 107)
SIZE = 128
