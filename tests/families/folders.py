"""Model folders like those of users: small random models with their real processors."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

import models
from families.processing import PROCESSINGS, processing_of
from families.voxtral_folder import write_voxtral_folder
from mata_audio.doctor.small_models import small_model

PARTS = (
    "{% for message in messages %}{{ message['role'] }} {% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %} CLIP {% else %}{{ part['text'] }}{% endif %}{% endfor %} "
    "{% endfor %}{% if add_generation_prompt %}assistant{% endif %}"
)
"""Like most chat templates: a message has parts."""

WORDS = "{% for message in messages %}{{ message['role'] + ' ' + message['content'] }} {% endfor %}"
"""Like older ones: a message is a text that contains the audio tokens."""

SYSTEM = (
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ message['content'][0]['text'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'audio' %} CLIP {% endfor %}"
    "{% endif %}{% endfor %}"
)
"""Like that of Qwen3-ASR: the user says nothing besides the clip."""

_OF_THE_TOKENIZER = ("granite_speech", "granite_speech_plus", "phi4_multimodal")
FOLDERS = (*PROCESSINGS, "voxtral")
"""The families that have a folder."""


@cache
def folder_of(model_type: str) -> Path:
    """Write a family's folder once; skip the test if its processor cannot be built."""
    folder = Path(mkdtemp(prefix=f"{model_type}-"))
    if model_type == "voxtral":
        pytest.importorskip("mistral_common")
        write_voxtral_folder(folder)
        return folder
    processing = processing_of(model_type)
    processor = processing.processor
    if model_type in _OF_THE_TOKENIZER:
        processor.chat_template = None
        processor.tokenizer.chat_template = WORDS
    else:
        template = SYSTEM if model_type == "qwen3_asr" else PARTS
        processor.chat_template = template.replace("CLIP", processing.placeholder)
    return models.save(small_model(model_type).model, processor, folder)
