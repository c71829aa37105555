"""How large batches may be on a model's device: what ``"auto"`` means."""

from __future__ import annotations

from typing import Any

import torch

from mata_audio.evaluation.running.batch_limit import BatchLimit, read_batch_size
from mata_audio.families import locate

AUTO_PROMPTS = 8
"""Prompts in a batch of ``"auto"`` on a CPU, where larger batches save little time."""
AUTO_SHARE = 0.5
"""Share of a GPU's free memory that ``"auto"`` plans for keys, values and activations."""
AUTO_TOKENS = 32_768
"""Most tokens in a batch of ``"auto"``: larger ones only delay the first answers."""


def batch_limit(size: int | str, model: Any, rows: int, share: float = 1.0) -> BatchLimit:
    """Return the limit that ``batch_size`` names, or what fits the model's device.

    Args:
        size: as for :func:`read_batch_size`.
        model: the loaded model.
        rows: settings, which run side by side, as rows of each prompt.
        share: share of the GPU that is this model's.
    """
    named = read_batch_size(size)
    if named is not None:
        return named
    device = next(model.parameters()).device
    if not _is_gpu(device):
        return BatchLimit(prompts=AUTO_PROMPTS)
    free, _ = torch.cuda.mem_get_info(device)
    fitting = int(AUTO_SHARE * share * free) // bytes_per_token(model, rows)
    return BatchLimit(tokens=min(max(1, fitting), AUTO_TOKENS))


def _is_gpu(device: torch.device) -> bool:
    return device.type == "cuda"


def bytes_per_token(model: Any, rows: int) -> int:
    """Estimate the memory that a prompt token takes while a batch is answered, in bytes.

    Keys and values are kept once by the shared prefill and once for each of ``rows``; the widest
    activations of one layer come beside them.
    """
    located = locate(model)
    attention: Any = located.first_attention
    config: Any = attention.config
    size = next(attention.parameters()).element_size()
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    key_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    kept = 2 * key_heads * head * len(located.attending)
    widest = 4 * config.hidden_size + 3 * (getattr(config, "intermediate_size", None) or 0)
    return size * (kept * (1 + rows) + widest)
