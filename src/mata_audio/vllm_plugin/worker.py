"""vLLM's worker, steering: it knows which request each row of a step belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

from vllm.config import get_layers_from_vllm_config
from vllm.distributed import get_tensor_model_parallel_rank
from vllm.model_executor.layers.attention import Attention
from vllm.model_executor.models.utils import extract_layer_index
from vllm.platforms import current_platform
from vllm.tokenizers.registry import cached_tokenizer_from_config

from mata_audio.errors import UnsupportedModelError
from mata_audio.families import Located
from mata_audio.steering.by_rule import key_gains
from mata_audio.vllm_plugin.engine import SteeredEngine, located_model
from mata_audio.vllm_plugin.layer import SteeredBatch, SteeredStep, steer
from mata_audio.vllm_plugin.request import asked_for, planned_method, prompt_of
from mata_audio.vllm_plugin.step import Ledger, SteeredRequest, step_of

if current_platform.is_cpu():
    from vllm.v1.worker.cpu_worker import CPUWorker as Worker
else:
    from vllm.v1.worker.gpu_worker import Worker


class SteeredWorker(Worker):
    """The platform's worker, whose decoder layers are steered by each request's setting."""

    def load_model(self, *args: Any, **kwargs: Any) -> None:
        """Load the model, and steer its decoder's layers."""
        super().load_model(*args, **kwargs)
        model = self.vllm_config.model_config
        self._engine = SteeredEngine(
            None,
            located_model(model),
            cached_tokenizer_from_config(model),
        )
        self._ledger = Ledger(self._request)
        self._step: SteeredStep | None = None
        self._rows = 0
        self._batch: SteeredBatch | None = None
        for index, layer in decoder_layers(self.vllm_config, self._engine.located).items():
            steer(layer, index, lambda: self._step)
            self._heads = layer.impl.num_heads
        _follow(self.model_runner, self._begin)

    def execute_model(self, *args: Any, **kwargs: Any) -> Any:
        """Run one step of the engine, steered."""
        try:
            return super().execute_model(*args, **kwargs)
        finally:
            self._step = None

    def mata_receipt(self) -> dict[str, int]:
        """Return what was done so far: steered requests, and rows that were changed."""
        return {"requests": self._ledger.steered, "rows": self._rows}

    def _begin(self, scheduled: Any, order: Sequence[str]) -> None:
        """Note the active rows of the step that is about to run."""
        step = step_of(self._ledger.pieces(scheduled, order), self.device)
        if step is not None:
            self._rows += step.count
            self._step = SteeredStep(step, self._batch_of(step.requests))

    def _batch_of(self, requests: Sequence[SteeredRequest]) -> SteeredBatch:
        """Return requests side by side; kept while they go on, which is most steps of an engine."""
        if self._batch is None or self._batch.requests != requests:
            gains = key_gains([own.method.rule() for own in requests], self._engine.located)
            first = get_tensor_model_parallel_rank() * self._heads
            own_heads = slice(first, first + self._heads)
            here = [replace(own, gains=own.gains[..., own_heads]) for own in gains]
            self._batch = SteeredBatch(requests, here, self.device)
        return self._batch

    def _request(self, new: Any) -> SteeredRequest | None:
        """Return the steered request that a new one is; None if it is not steered."""
        plan = asked_for(getattr(new.sampling_params, "extra_args", None))
        if plan is None:
            return None
        method = planned_method(plan)
        prompt = prompt_of(self._engine.finder(method.rule()), new.prompt_token_ids)
        return SteeredRequest(method, prompt)


def decoder_layers(config: Any, located: Located) -> dict[int, Attention]:
    """Return the attention of each decoder layer that this process has, by the layer's number.

    Raises:
        UnsupportedModelError: it has layers that the model of Transformers lacks.
    """
    found: dict[int, Attention] = {}
    for name, layer in get_layers_from_vllm_config(config, Attention).items():
        index = extract_layer_index(name)
        if index in found or index not in located.attending:
            raise UnsupportedModelError(
                f"vLLM's layer {name} is none of the {len(located.attending)} decoder layers that "
                f"have attention in Transformers: a {located.family.model_type} model cannot be "
                "steered under vLLM"
            )
        found[index] = layer
    return found


def _follow(runner: Any, begin: Callable[[Any, Sequence[str]], None]) -> None:
    """Call ``begin`` before each step, with what is scheduled and the batch's order.

    Dummy steps, which warm the engine up, take another way.
    """
    second = hasattr(runner, "model_state")
    name = "prepare_inputs" if second else "_prepare_inputs"
    prepare = getattr(runner, name)

    @wraps(prepare)
    def prepared(scheduled: Any, *args: Any, **kwargs: Any) -> Any:
        made = prepare(scheduled, *args, **kwargs)
        begin(scheduled, made.req_ids if second else list(runner.input_batch.req_ids))
        return made

    setattr(runner, name, prepared)
