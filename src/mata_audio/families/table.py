"""The facts about every family; see CONTRIBUTING.md, "Add a family"."""

from __future__ import annotations

from dataclasses import replace

from mata_audio.families.family import Family, Hearing, PromptStyle
from mata_audio.families.versions import ROPE_DELTAS, THINKER_DECODERS

# What its makers advise for questions outside a dialogue.
_OMNI_STYLE = PromptStyle(system="You are a helpful assistant.")

# Most encoders do not see how far a clip is padded: tests/families/test_padded_batches.py.
_ALIKE = Hearing(ignores_padding=True)
# At most one window of Whisper's feature extractor.
_ONE_WINDOW = replace(_ALIKE, longest="feature_extractor.chunk_length")
# Several windows, up to the processor's limit; one clip in each prompt.
_WINDOWS = replace(_ALIKE, longest="max_audio_len", clips=1)
_ONE_CLIP = replace(_ALIKE, clips=1)

_IMAGE = {"image": "image_token_id"}
_VISION = {**_IMAGE, "video": "video_token_id"}
_EVERY = {"audio": "audio_token_id", **_VISION}

# Of an Omni model only the thinker listens; talker and vocoder turn its answer into speech.
_QWEN2_5_THINKER = Family(
    "qwen2_5_omni_thinker",
    "Qwen2_5OmniThinkerForConditionalGeneration",
    decoders=THINKER_DECODERS,
    prompt_style=_OMNI_STYLE,
    hearing=replace(_ONE_WINDOW, drops_masked=True),
    tokens=_EVERY,
    row_state=ROPE_DELTAS,
)
# Experts; query and key norms come before the raw score.
_QWEN3_THINKER = Family(
    "qwen3_omni_moe_thinker",
    "Qwen3OmniMoeThinkerForConditionalGeneration",
    decoders=THINKER_DECODERS,
    hearing=_ALIKE,
    tokens=_EVERY,
    row_state=ROPE_DELTAS,
)

FAMILIES: tuple[Family, ...] = (
    Family(
        "qwen2_audio",
        "Qwen2AudioForConditionalGeneration",
        expands_single_tokens=True,
        hearing=_ONE_WINDOW,
    ),
    replace(_QWEN2_5_THINKER, model_type="qwen2_5_omni", listener="thinker"),
    _QWEN2_5_THINKER,
    replace(_QWEN3_THINKER, model_type="qwen3_omni_moe", listener="thinker"),
    _QWEN3_THINKER,
    Family("audioflamingo3", "AudioFlamingo3ForConditionalGeneration", hearing=_WINDOWS),
    Family("musicflamingo", "MusicFlamingoForConditionalGeneration", hearing=_WINDOWS),
    Family(
        "voxtral",
        "VoxtralForConditionalGeneration",
        prompts="mistral-common",
        hearing=replace(_ALIKE, padded=30.0),
    ),
    # The encoders are inside the decoder's embedding, and the token ids in their configs.
    Family(
        "phi4_multimodal",
        "Phi4MultimodalForCausalLM",
        decoders=("model",),
        tokens={"audio": "audio_config.audio_token_id", "image": "vision_config.image_token_id"},
        adapter=("speech", "speech-lora"),
    ),
    # Sliding layers, and last layers that share the keys of earlier ones.
    Family(
        "gemma3n",
        "Gemma3nForConditionalGeneration",
        tokens={"audio": "audio_token_id", **_IMAGE},
        hearing=replace(_ALIKE, longest=30.0, padded=30.0),
    ),
    Family(
        "gemma4",
        "Gemma4ForConditionalGeneration",
        tokens=_EVERY,
        hearing=replace(_ALIKE, longest=30.0),
    ),
    # With a LoRA adapter in the decoder, which the model enables if the prompt has audio.
    Family("granite_speech", "GraniteSpeechForConditionalGeneration"),
    Family("granite_speech_plus", "GraniteSpeechPlusForConditionalGeneration"),
    Family("glmasr", "GlmAsrForConditionalGeneration", hearing=_WINDOWS),
    # Its template takes text only in the system's turn, as context.
    Family(
        "qwen3_asr",
        "Qwen3ASRForConditionalGeneration",
        prompt_style=PromptStyle(turn="system"),
        hearing=_ONE_CLIP,
    ),
    # It adds noise to its input; without it, the same clip gets the same answer.
    Family(
        "vibevoice_asr",
        "VibeVoiceAsrForConditionalGeneration",
        hearing=_ALIKE,
        config={"acoustic_tokenizer_encoder_config.vae_std": 0.0},
    ),
    Family("fun_asr_nano", "FunAsrNanoForConditionalGeneration", hearing=Hearing(clips=1)),
    Family(
        "moss_transcribe_diarize",
        "MossTranscribeDiarizeForConditionalGeneration",
        hearing=_ONE_CLIP,
    ),
    # A layer is one of Mamba, attention, experts and MLP.
    Family(
        "nemotron_h_omni",
        "NemotronH_Omni_Reasoning_V3",
        hearing=_ALIKE,
        decoders=("language_model.model",),
        attention="mixer",
        attends=("block_type", "full_attention"),
    ),
    # From here on: pictures only.
    Family(
        "qwen2_5_vl", "Qwen2_5_VLForConditionalGeneration", tokens=_VISION, row_state=ROPE_DELTAS
    ),
    # Query and key norms; image features are also added to the output of the first layers.
    Family("qwen3_vl", "Qwen3VLForConditionalGeneration", tokens=_VISION, row_state=ROPE_DELTAS),
    Family("llava", "LlavaForConditionalGeneration", tokens=_IMAGE),
    Family("llava_onevision", "LlavaOnevisionForConditionalGeneration", tokens=_VISION),
    # A video is given as images.
    Family("internvl", "InternVLForConditionalGeneration", tokens=_IMAGE),
    # Sliding layers; the tokens of one image see each other.
    Family("gemma3", "Gemma3ForConditionalGeneration", tokens=_IMAGE, mutual=("image",)),
)

_NO_AUDIO_TOKENS = "no decoder position holds audio alone: "
_CROSS_ATTENTION = _NO_AUDIO_TOKENS + "audio is heard through cross-attention"
_AUDIO_CODES = _NO_AUDIO_TOKENS + "audio codes are added to the embedding of every text token"

UNSUPPORTED: dict[str, str] = {
    "whisper": _CROSS_ATTENTION,
    "moonshine": _CROSS_ATTENTION,
    "seamless_m4t": _CROSS_ATTENTION,
    "seamless_m4t_v2": _CROSS_ATTENTION,
    "cohere_asr": _CROSS_ATTENTION,
    "voxtral_realtime": _NO_AUDIO_TOKENS + "audio is added to the embedding of every text token",
    "moshi": _AUDIO_CODES,
    "kyutai_speech_to_text": _AUDIO_CODES,
}
"""Families with audio that cannot be supported, and why."""
