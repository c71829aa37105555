"""Putting questions to a model whose prompts the package mistral-common writes."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from mata_audio.errors import ModelLoadError
from mata_audio.load_errors import reason
from mata_audio.prompting import Clip, Prompter


class MistralPrompter(Prompter):
    """Puts questions as conversations, with each clip inside; arguments as for its parent."""

    @property
    def template(self) -> str:
        """A prompt, since there is no template: mistral-common writes by the version of a file."""
        return self.text("?", 1)

    def inputs(
        self, questions: Sequence[str], clips: Sequence[Sequence[Clip]], side: str = "left"
    ) -> dict[str, Tensor]:
        """Return the model inputs of one batch; arguments and errors as for the parent's."""
        rows, sounds = [], []
        for question, own in zip(questions, clips, strict=True):
            self._check(question, len(own))
            made = self._written(self.processor, question, own)
            rows.append({name: made[name][0] for name in ("input_ids", "attention_mask")})
            sounds += [made["input_features"]] if own else []
        padded = self.processor.tokenizer.pad(
            rows, padding=True, padding_side=side, return_tensors="pt"
        )
        return {**padded, **({"input_features": torch.cat(sounds)} if sounds else {})}

    def text(self, question: str, clips: int) -> str:
        """Return the text of a prompt about ``clips`` short clips; errors as for the parent's.

        The tokens of a clip are many; one is shown.
        """
        self._check(question, clips)
        tokenizer, token = self.processor.tokenizer, re.escape(self.processor.audio_token)
        silence = np.zeros(self.limits.sampling_rate, np.float32)
        made = self._written(tokenizer, question, [silence] * clips)
        text: str = tokenizer.decode(made["input_ids"], skip_special_tokens=False)
        return re.sub(f"({token})+", r"\1", text)

    def _written(self, writer: Any, question: str, clips: Sequence[Clip]) -> Any:
        """Return what the processor, or its tokenizer alone, makes of a conversation."""
        audio = [{"type": "audio", "base64": self._as_url(clip)} for clip in clips]
        messages = self._chat.messages(
            question, audio, lambda words: [{"type": "text", "text": words}]
        )
        try:
            return writer.apply_chat_template(messages)
        except Exception as error:
            raise ModelLoadError(
                f"mistral-common does not write this prompt of {self.name}: {reason(error)}"
            ) from error

    def _as_url(self, clip: Clip) -> str:
        """Return a clip as the data URL of a WAV file of its own float32 samples.

        Without ``data:``, mistral-common would first look for a file of that name.
        """
        file = io.BytesIO()
        soundfile.write(file, clip, self.limits.sampling_rate, format="WAV", subtype="FLOAT")
        return "data:audio/wav;base64," + base64.b64encode(file.getvalue()).decode()
