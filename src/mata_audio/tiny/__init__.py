"""The embedded audio language model and its benchmark, for trying everything without a network.

``MODEL_PATH`` is an ordinary model folder for ``from_pretrained``. The benchmark's audio is
synthesised with only numpy and scipy; nothing here imports torch or transformers.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mata_audio.tiny.benchmark import TinyItem, make_items, write_benchmark

TINY = "tiny"
"""Name of the embedded model, wherever a model can be named."""

MODEL_PATH = Path(__file__).parent / "model"

__all__ = ["MODEL_PATH", "TINY", "TinyItem", "is_embedded", "make_items", "write_benchmark"]


def is_embedded(model: str) -> bool:
    """Tell whether a model's name or folder is that of the embedded model."""
    folder = MODEL_PATH if model == TINY else Path(model)
    return folder.is_dir() and MODEL_PATH.is_dir() and MODEL_PATH.samefile(folder)


def __getattr__(name: str) -> Any:
    """Import numpy and scipy only when the benchmark is used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mata_audio.tiny import benchmark

    return getattr(benchmark, name)
