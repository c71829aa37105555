"""lmms-eval's own Qwen2.5-Omni: its prompts and its generation, steered."""

from __future__ import annotations

from typing import Any

import torch
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from transformers import Qwen2_5OmniForConditionalGeneration

from mata_audio.errors import SettingsError
from mata_audio.families import locate
from mata_audio.harnesses.lmms_eval.model_args import batch_size_from, read_model_args
from mata_audio.harnesses.lmms_eval.steered import own_requests, place, steered
from mata_audio.models.finding import find_model
from mata_audio.models.load_errors import explained
from mata_audio.models.loading import device_named, load_processor
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
        pretrained: a hub id or a local folder of a whole Qwen2.5-Omni; its processor is used too,
            where the base class always takes the published one.
        batch_size: must be 1: lmms-eval's code mixes the conversations of a batch.
        use_cache: whether generation keeps keys and values.
        attn_implementation: attention backend; lmms-eval's default is eager.
        system_prompt: as in the base class.
        given: how to load, and the setting; see
            :func:`mata_audio.harnesses.lmms_eval.model_args.read_model_args`.

    Raises:
        MataError: an argument, the setting or the model is wrong; its class says which.
    """

    def __init__(
        self,
        pretrained: str = "Qwen/Qwen2.5-Omni-7B",
        batch_size: int | str = 1,
        use_cache: bool = True,
        attn_implementation: str = "eager",
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
        device = device_named(place(self, arguments))
        found = find_model(pretrained)
        self.processor = load_processor(found)
        self._tokenizer = self.processor.tokenizer
        self._method = arguments.method
        with explained(f"cannot load {pretrained} as a whole Qwen2.5-Omni"):
            config = Qwen2_5OmniForConditionalGeneration.config_class.from_pretrained(pretrained)
            if self._method is not None:
                with torch.device("meta"):
                    empty = Qwen2_5OmniForConditionalGeneration._from_config(config)
                check_on(locate(empty), self._tokenizer, self._method)
            model = Qwen2_5OmniForConditionalGeneration.from_pretrained(
                pretrained,
                dtype=arguments.loading.get("dtype", "auto"),
                attn_implementation=attn_implementation,
            )
        model.disable_talker()
        self._model = model.to(device).eval()
        self._device = device
        self.device_map = str(device)
        self._config = model.config
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
