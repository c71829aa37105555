"""The functions of vLLM that are wrapped, since it has no hooks of its own there.

* ``EngineArgs.create_engine_config``: an engine that is to steer gets our worker.
* ``InputProcessor.process_inputs``: a request's setting is read and checked.
* ``generate_block_hash_extra_keys``: no cached block that holds a changed row is ever shared.

Rows that are changed have other keys and values in later layers. In exact attention no other prompt
may read them: in a longer prompt they are not the last row. So each such block, and all after it,
has a name of its own in the prefix cache; blocks before it are shared as ever, by all settings.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from mata_audio.errors import MataError, MataWarning, SettingsError, VersionError
from mata_audio.serving.request import FIELD
from mata_audio.vllm_plugin import engine as engines
from mata_audio.vllm_plugin import request as requests
from mata_audio.vllm_plugin.versions import check_version

WORKER = "mata_audio.vllm_plugin.worker.SteeredWorker"

_WRAPPED = "__mata_audio__"
_ENGINE = "_mata_audio_engine"


def install() -> None:
    """Wrap the three functions, once in a process; of an unknown version only the first.

    Its engines then run as ever, and refuse to start with a setting.

    Warns:
        MataWarning: the version is unknown.
    """
    import vllm
    from vllm.engine.arg_utils import EngineArgs

    _wrap(EngineArgs, "create_engine_config", _with_worker)
    try:
        check_version(vllm.__version__)
    except VersionError as error:
        text = f"{error}. Engines run unsteered, and requests that ask for {FIELD!r} are not heard"
        warnings.warn(text, MataWarning, stacklevel=2)
        return
    from vllm.v1.core import kv_cache_utils
    from vllm.v1.engine.input_processor import InputProcessor

    _wrap(InputProcessor, "process_inputs", _with_setting)
    name = "generate_block_hash_extra_keys"
    original = getattr(kv_cache_utils, name)
    _wrap(kv_cache_utils, name, _with_own_blocks)
    for module in list(sys.modules.values()):  # those that have imported it by name
        if getattr(module, "__dict__", {}).get(name) is original:
            setattr(module, name, getattr(kv_cache_utils, name))


def _wrap(owner: Any, name: str, wrapping: Callable[[Any], Any]) -> None:
    original = getattr(owner, name)
    if not hasattr(original, _WRAPPED):
        wrapped = wraps(original)(wrapping(original))
        setattr(wrapped, _WRAPPED, True)
        setattr(owner, name, wrapped)


def _with_worker(create: Any) -> Any:
    def create_engine_config(self: Any, *args: Any, **kwargs: Any) -> Any:
        words = engines.setting_words(self.additional_config)
        if words is None:
            return create(self, *args, **kwargs)
        import vllm
        from vllm.config.compilation import CUDAGraphMode

        check_version(vllm.__version__)
        method = engines.default_method(words)
        if self.compilation_config.cudagraph_mode is None and not self.enforce_eager:
            self.compilation_config.cudagraph_mode = CUDAGraphMode.PIECEWISE
        config = create(self, *args, **kwargs)
        engines.check_config(config)
        engines.check_method(method, config.model_config)
        config.additional_config[FIELD] = words
        config.parallel_config.worker_cls = WORKER
        return config

    return create_engine_config


def _with_setting(process: Any) -> Any:
    from vllm.exceptions import VLLMValidationError

    def process_inputs(
        self: Any, request_id: str, prompt: Any, params: Any, *args: Any, **kwargs: Any
    ) -> Any:
        request = process(self, request_id, prompt, params, *args, **kwargs)
        own = request.sampling_params
        if own is None:  # it asks for no answer
            return request
        features = request.mm_features or ()
        try:
            plan = _plan_of(self, requests.asked_for(own.extra_args), request, features)
        except MataError as error:
            _forget(self, features)
            # The server tells its client only of errors of this class.
            raise VLLMValidationError(str(error), parameter=FIELD) from error
        others = {name: value for name, value in (own.extra_args or {}).items() if name != FIELD}
        own.extra_args = others if plan is None else {**others, FIELD: plan}
        return request

    return process_inputs


def _plan_of(processor: Any, given: object, request: Any, features: Sequence[Any]) -> Any:
    """Return what is kept of a request that says ``given``; errors of :func:`requests.plan_of`."""
    engine = _engine_of(processor)
    if engine is None and given is not None:
        raise SettingsError(
            f"the request asks for {FIELD!r}, but this engine does not steer: start it with "
            f'{engines.VARIABLE}="alpha=0.1" or another setting, or with '
            f"{engines.VARIABLE}={engines.OFF} to steer only requests that ask for it"
        )
    method = None if engine is None else requests.method_asked_for(given, engine.default)
    if engine is None or method is None:
        return None
    if request.resumable:
        raise SettingsError("a prompt that goes on while it is answered cannot be steered")
    heard = _heard(features)
    plan = requests.plan_of(method, engine, request.prompt_token_ids, heard)
    if plan is None and given is not None and method.on_no_audio == "raise":
        raise requests.no_audio(method)
    return plan


def _forget(processor: Any, features: Sequence[Any]) -> None:
    """Let clips of a refused request be sent again: vLLM thinks that the engine has them now."""
    sent = processor.renderer.mm_processor_cache
    for feature in features:
        if sent is not None:
            sent.invalidate(feature.mm_hash)


def _with_own_blocks(extra_keys: Any) -> Any:
    def generate_block_hash_extra_keys(
        request: Any, start_token_idx: int, end_token_idx: int, start_mm_idx: int
    ) -> Any:
        keys, place = extra_keys(request, start_token_idx, end_token_idx, start_mm_idx)
        plan = requests.asked_for(getattr(request.sampling_params, "extra_args", None))
        if plan is not None and end_token_idx > plan[requests.FIRST_ROW]:
            keys = (*(keys or ()), (FIELD, f"{plan[requests.NAME]} {request.request_id}"))
        return keys, place

    return generate_block_hash_extra_keys


def _engine_of(processor: Any) -> engines.SteeredEngine | None:
    """Return what an input processor's engine was started with; None if it does not steer."""
    if not hasattr(processor, _ENGINE):
        words = processor.vllm_config.additional_config.get(FIELD)
        found = None
        if words is not None:
            model = processor.model_config
            found = engines.SteeredEngine(
                engines.default_method(words),
                engines.located_model(model),
                processor.tokenizer,
            )
        setattr(processor, _ENGINE, found)
    return getattr(processor, _ENGINE)


def _heard(features: Sequence[Any]) -> list[range]:
    """Return the positions that a request's features give to audio."""
    spans = [
        span
        for feature in features
        if feature.modality == "audio"
        for span in feature.mm_position.extract_embeds_range()
    ]
    return [range(first, last + 1) for first, last in spans]
