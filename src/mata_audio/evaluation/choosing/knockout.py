"""Knockout: how far does the next word move if the last token cannot hear audio in one layer?

After causal tracing and attention knockout (Geva et al. 2023, arXiv 2304.14767). No labels are
needed, and one prefill serves all layers.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mata_audio.errors import UnsupportedModelError
from mata_audio.evaluation.choosing.evidence import Evidence, window_evidence
from mata_audio.evaluation.choosing.measuring import Measuring
from mata_audio.families import locate, row_state, using_row_state
from mata_audio.models.caches import can_be_repeated, repeated
from mata_audio.models.one_prefill import ROWS_AT_ONCE
from mata_audio.models.prefill import Inputs, prefill
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.gain_tensor import KeyGains

UNIT = "KL divergence of the next-token distribution, in nats"


def measure(measuring: Measuring) -> Evidence:
    """Choose the layers where blocking audio moves the answer most; no right answers are needed."""
    model = measuring.loaded.model
    effects = [knockout(model, batch.inputs) for batch in measuring.batches()]
    return window_evidence("knockout", UNIT, np.concatenate(effects))


@torch.inference_mode()
def knockout(model: Any, inputs: Inputs) -> NDArray[np.float64]:
    """Return KL(unchanged || one layer's attention to audio blocked), shape ``(batch, layers)``.

    In each layer in turn, the last prompt token's attention to audio is blocked in all heads.

    Args:
        model: a supported model, not steered.
        inputs: as for :func:`mata_audio.models.one_prefill.generate_all`.

    Raises:
        UnsupportedModelError: a model with Mamba layers; their cache cannot be repeated.
    """
    located = locate(model)
    listener: Any = located.listener
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    batch = ids.shape[0]
    cache = prefill(located, inputs)
    if not can_be_repeated(cache):
        raise UnsupportedModelError(
            f"{type(model).__name__} keeps Mamba states, which cannot be copied once for each "
            "layer: choose its layers by gradient"
        )
    state = row_state(located)
    at_once = max(1, ROWS_AT_ONCE // batch - 1)
    effects = []
    for start in range(0, located.depth, at_once):
        layers = range(start, min(start + at_once, located.depth))
        rows = len(layers) + 1  # each item's first row is the unchanged model
        gains = torch.zeros(located.depth, batch * rows, located.heads)
        for place, layer in enumerate(layers, start=1):
            if layer in located.attending:  # other layers have nothing to block
                gains[layer, place::rows] = 1.0
        part = copy.deepcopy(cache)
        part.batch_repeat_interleave(rows)
        all_ids, all_mask = ids.repeat_interleave(rows, 0), mask.repeat_interleave(rows, 0)
        with (
            using_row_state(located, repeated(state, rows)),
            Attachment(located, [KeyGains(gains, "knockout")]) as attachment,
        ):
            attachment.adopt(part, all_ids, all_mask)
            logits = listener(input_ids=all_ids[:, -1:], past_key_values=part).logits[:, -1]
        log_p = logits.float().log_softmax(dim=-1).view(batch, rows, -1)
        baseline = log_p[:, :1]
        effects.append((baseline.exp() * (baseline - log_p[:, 1:])).sum(dim=-1))
    return torch.cat(effects, dim=1).double().cpu().numpy()
