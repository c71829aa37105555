"""lmms-eval's own Qwen2.5-Omni: its prompts and its generation, steered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms

from mata_audio.errors import SettingsError
from mata_audio.harnesses.lmms_eval.model_args import batch_size_from, read_model_args
from mata_audio.harnesses.lmms_eval.steered import own_requests, place, steered
from mata_audio.harnesses.loading import load_checked
from mata_audio.serving.checking import check_on

try:
    import qwen_omni_utils  # noqa: F401  # without it, lmms-eval's code answers nothing
    from lmms_eval.models.chat.qwen2_5_omni import Qwen2_5_Omni as OmniChat
    from lmms_eval.models.simple.qwen2_5_omni import Qwen2_5_Omni as Omni
except ImportError as error:
    raise SettingsError(
        f"lmms-eval's code for Qwen2.5-Omni cannot be used ({error}): pip install torchvision "
        "'moviepy>=2' qwen-omni-utils, or use the model mata"
    ) from error

SYSTEM = (
    "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of "
    "perceiving auditory and visual inputs, as well as generating text and speech."
)
"""lmms-eval's default."""


class _Steered:
    """What both classes share: loading and steering; arguments of the base class are its own.

    Args:
        pretrained: a hub id or a local folder; its processor is used too, where the base class
            always takes the published one.
        batch_size: must be 1: lmms-eval's code mixes the conversations of a batch.
        use_cache: whether generation keeps keys and values.
        system_prompt: as in the base class.
        given: how to load, and the setting; see
            :func:`mata_audio.harnesses.lmms_eval.model_args.read_model_args`. The default of
            ``attn_implementation`` is lmms-eval's, eager.

    Raises:
        MataError: an argument, the setting or the model is wrong; its class says which.
    """

    def __init__(
        self,
        pretrained: str = "Qwen/Qwen2.5-Omni-7B",
        batch_size: int | str = 1,
        use_cache: bool = True,
        system_prompt: str = SYSTEM,
        max_num_frames: int = 768,
        **given: Any,
    ) -> None:
        arguments = read_model_args(given)
        if batch_size_from(batch_size) != 1:
            raise SettingsError(
                "lmms-eval's code for Qwen2.5-Omni answers one request at a time: give "
                "batch_size=1, or use the model mata"
            )
        lmms.__init__(self)
        arguments = replace(
            arguments.on(place(self, arguments)),
            loading={"attn_implementation": "eager", **arguments.loading},
        )
        loaded: Any = load_checked(pretrained, arguments, check_on)
        if not loaded.family.model_type.startswith("qwen2_5_omni"):
            raise SettingsError(
                f"{pretrained} is a {loaded.family.model_type} model: use the model mata for it"
            )
        self._method = arguments.method
        self._model = loaded.model
        self._model.generate = _as_whole_model(loaded.model.generate)
        self._device = loaded.model.device
        self.device_map = str(self._device)
        self._config = loaded.model.config
        self.processor = loaded.processor
        self._tokenizer = self.processor.tokenizer
        self.batch_size_per_gpu = 1
        self.use_cache = use_cache
        self.system_prompt = system_prompt
        self.max_num_frames = max_num_frames
        self.use_custom_video_loader = False
        self.fps = self.max_image_size = None

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answer requests.

        Raises:
            RunError: an answer could not be generated.
            NoAudioError: the model is steered, and saw no audio.
        """
        steering = steered(self._model, self._tokenizer, self._method)
        with torch.inference_mode(), steering as self._failures:
            answers: list[str] = super().generate_until(own_requests(requests))  # type: ignore[misc]
        return answers


def _as_whole_model(generate: Callable[..., Any]) -> Callable[..., Any]:
    """Return the thinker's ``generate``, called as lmms-eval calls that of the whole model.

    In Transformers 5 the whole model's needs the talker, which lmms-eval switches off.
    """

    def generate_text(*, return_audio: bool, thinker_do_sample: bool, **given: Any) -> Any:
        del return_audio
        return generate(**{**given, "do_sample": thinker_do_sample})

    return generate_text


class MataQwen2_5Omni(_Steered, Omni):
    """Reads a task's ``doc_to_visual``."""


class MataQwen2_5OmniChat(_Steered, OmniChat):
    """Reads a task's ``doc_to_messages``."""

    def _infer_one(self, chat_messages: Any, gen_kwargs: dict[str, Any]) -> str:
        """Do as the base class does, but remember errors, of which it makes empty answers."""
        try:
            answer: str = super()._infer_one(chat_messages, gen_kwargs)
        except Exception as error:
            self._failures.append(error)
            raise
        return answer
