"""lmms-eval's own Qwen2-Audio: its prompts and its generation, steered."""

from __future__ import annotations

from typing import Any

import torch
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from lmms_eval.models.simple.qwen2_audio import Qwen2_Audio

from mata_audio.errors import SettingsError
from mata_audio.harnesses.lmms_eval.model_args import batch_size_from, read_model_args
from mata_audio.harnesses.lmms_eval.steered import own_requests, place, steered
from mata_audio.harnesses.loading import load_checked
from mata_audio.serving.checking import check_on


class MataQwen2Audio(Qwen2_Audio):
    """Loads by our loader, which takes any device; then all is as in the base class.

    Args:
        pretrained: a hub id or a local folder.
        batch_size: requests at once.
        use_cache: whether generation keeps keys and values.
        add_generation_prompt: as in the base class.
        add_system_prompt: as in the base class; False is refused, as its template is the base's.
        simple_prompt: as in the base class.
        given: how to load, and the setting; see
            :func:`mata_audio.harnesses.lmms_eval.model_args.read_model_args`.

    Raises:
        MataError: an argument, the setting or the model is wrong; its class says which.
    """

    def __init__(
        self,
        pretrained: str = "Qwen/Qwen2-Audio-7B-Instruct",
        batch_size: int | str = 1,
        use_cache: bool = True,
        add_generation_prompt: bool = True,
        add_system_prompt: bool = True,
        simple_prompt: bool = False,
        **given: Any,
    ) -> None:
        arguments = read_model_args(given)
        self.batch_size_per_gpu = batch_size_from(batch_size)
        if not add_system_prompt:
            raise SettingsError(
                "add_system_prompt=False is not supported: use simple_prompt=True, or the model "
                "mata with a template of its own"
            )
        lmms.__init__(self)
        device = place(self, arguments)
        loaded = load_checked(pretrained, arguments.on(device), check_on)
        if loaded.family.model_type != "qwen2_audio":
            raise SettingsError(
                f"{pretrained} is a {loaded.family.model_type} model: use the model mata for it"
            )
        self._method = arguments.method
        self._model = loaded.model
        self._device = next(loaded.model.parameters()).device
        self.device_map = str(self._device)
        self.processor = loaded.processor
        self.processor.tokenizer.padding_side = "left"
        self._tokenizer = self.processor.tokenizer
        self._config = self._model.config
        self.use_cache = use_cache
        self.add_generation_prompt = add_generation_prompt
        self.add_system_prompt = add_system_prompt
        self.simple_prompt = simple_prompt

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answer requests.

        Raises:
            RunError: an answer could not be generated.
            NoAudioError: the model is steered, and saw no audio.
        """
        with torch.inference_mode(), steered(self._model, self._tokenizer, self._method):
            answers: list[str] = super().generate_until(own_requests(requests))
        return answers
