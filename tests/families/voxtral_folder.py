"""Voxtral's folder: its real processor around a small tekken.json, and a small model that fits.

The processor splits audio into windows of 30 s, each 375 audio tokens that share one id.
"""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path

import transformers

from mata_audio.doctor.small_models import small_model
from mata_audio.doctor.small_models.configs import MELS
from mata_audio.doctor.small_models.small_model import built

AUDIO, WINDOW_TOKENS = 24, 375

# Tokens that mistral-common looks up by name; the processor hard-codes the place of [AUDIO].
_MARKS = [
    *("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
    *("[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[10]", "<pad>"),
    *("[12]", "[13]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]"),
    *("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"),
    *(f"[{i}]" for i in range(20, AUDIO)),
    *("[AUDIO]", "[BEGIN_AUDIO]", "[TRANSCRIBE]", "[ARGS]", "[CALL_ID]"),
]
_WORDS = [f"{space}w{i}".encode() for space in ("", " ") for i in range(5, 10)]


def write_tekken(folder: Path, version: str = "v11") -> Path:
    """Write a tokenizer of special tokens, single bytes and the words w5 to w9."""
    tokens = [bytes([i]) for i in range(256)] + _WORDS
    data = {
        "config": {
            "version": version,
            "pattern": r" ?\S+|\s",
            "num_vocab_tokens": len(tokens),
            "default_vocab_size": len(tokens) + len(_MARKS),
            "default_num_special_tokens": len(_MARKS),
        },
        "vocab": [
            {"rank": i, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
            for i, token in enumerate(tokens)
        ],
        "special_tokens": [
            {"rank": i, "token_str": mark, "is_control": True} for i, mark in enumerate(_MARKS)
        ],
        "audio": {
            "sampling_rate": 16_000,
            "frame_rate": 12.5,
            "chunk_length_s": 30.0,
            "audio_encoding_config": {"num_mel_bins": MELS, "hop_length": 160, "window_size": 400},
        },
    }
    path = folder / "tekken.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def write_voxtral_folder(folder: Path) -> None:
    """Write a folder like ``mistralai/Voxtral-Mini-3B-2507``; needs no mistral-common."""
    write_tekken(folder)
    transformers.WhisperFeatureExtractor(feature_size=MELS).save_pretrained(folder)
    config = copy.deepcopy(small_model("voxtral").model.config)
    config.audio_token_id = AUDIO
    config.audio_config.max_source_positions = 4 * WINDOW_TOKENS
    text = config.text_config
    text.vocab_size = len(_MARKS) + 256 + len(_WORDS)
    text.bos_token_id, text.eos_token_id, text.pad_token_id = map(
        _MARKS.index, ("<s>", "</s>", "<pad>")
    )
    built(transformers.VoxtralForConditionalGeneration, config).save_pretrained(folder)
