"""The adapter for sound that some checkpoints bring, and that their makers put on by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers.utils import cached_file

_WEIGHTS = "adapter_model.safetensors"


def put_on(model: Any, source: str, name: str, subfolder: str, local: bool) -> None:
    """Load an adapter of a checkpoint into its model, from safetensors only, and switch it on.

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
