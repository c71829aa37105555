"""The adapter for sound that comes with some checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers.utils import cached_file, is_peft_available

from mata_audio.errors import ModelLoadError

_WEIGHTS = "adapter_model.safetensors"


def check_peft(config: Any, name: str) -> None:
    """Refuse a model whose adapter for sound Transformers would silently leave out.

    Raises:
        ModelLoadError: the config announces an adapter (Granite Speech), and PEFT is not installed.
    """
    if getattr(config, "has_lora_adapter", False) and not is_peft_available():
        raise ModelLoadError(
            f"{name} has an adapter for sound, which Transformers leaves out without PEFT: "
            "pip install peft"
        )


def enable_adapter(model: Any, source: str, name: str, subfolder: str, local: bool) -> None:
    """Load a checkpoint's adapter into its model, from safetensors only, and enable it.

    The makers of Phi-4-multimodal do this by hand.

    Args:
        model: the model, with its weights.
        source: folder or hub id of the checkpoint.
        name: the adapter's name.
        subfolder: the adapter's folder in the checkpoint.
        local: whether ``source`` is a folder, so that the network is not used.

    Raises:
        Exception: an error of Transformers or PEFT: the adapter is missing or damaged, or PEFT is
            not installed.
    """
    try:
        from peft import PeftConfig
    except ImportError as error:
        raise ImportError(
            f"its adapter for sound needs PEFT: pip install peft ({error})"
        ) from error
    where = str(Path(source) / subfolder) if local else source
    options = {} if local else {"subfolder": subfolder}
    weights = cached_file(where, _WEIGHTS, local_files_only=local, **options)
    model.load_adapter(
        adapter_name=name,
        peft_config=PeftConfig.from_pretrained(where, local_files_only=local, **options),
        adapter_state_dict=load_file(weights),
    )
    model.set_adapter(name)
