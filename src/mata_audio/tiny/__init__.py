"""The embedded audio language model and its benchmark, for trying everything without a network.

``MODEL_PATH`` is an ordinary model folder for ``from_pretrained``. The benchmark's audio is
synthesised with numpy and scipy alone; nothing here imports torch or transformers.
"""

from pathlib import Path

from mata_audio.tiny.benchmark import TinyItem, make_items, write_benchmark

MODEL_PATH = Path(__file__).parent / "model"

__all__ = ["MODEL_PATH", "TinyItem", "make_items", "write_benchmark"]
