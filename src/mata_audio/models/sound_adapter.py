"""The adapter for sound that some checkpoints bring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers.utils import cached_file, is_peft_available

from mata_audio.errors import ModelLoadError

_WEIGHTS = "adapter_model.safetensors"


def check_peft(config: Any, name: str) -> None:
    """Refuse a model that brings an adapter of its own where Transformers would leave it out.

    Raises:
        ModelLoadError: the config says that there is one (Granite Speech), and PEFT is missing.
    """
    if getattr(config, "has_lora_adapter", False) and not is_peft_available():
        raise ModelLoadError(
            f"{name} brings an adapter for sound, which Transformers leaves out without PEFT: "
            "pip install peft"
        )


def put_on(model: Any, source: str, name: str, subfolder: str, local: bool) -> None:
    """Load an adapter of a checkpoint into its model, from safetensors only, and switch it on.

    What the makers of Phi-4-multimodal do by hand.

    Args:
        model: the model, with its weights.
        source: folder or hub id of the checkpoint.
        name: what the adapter is called.
        subfolder: where it is in the checkpoint.
        local: whether the network is not to be asked.

    Raises:
        Exception: of Transformers or PEFT: no such adapter, damaged, or PEFT is not installed.
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
