"""The facts about every family; see CONTRIBUTING.md, "Add a family"."""

from __future__ import annotations

from mata_audio.families.family import Family, Hearing, PromptStyle
from mata_audio.families.versions import ROPE_DELTAS, THINKER_DECODERS

# What its makers advise for questions outside a dialogue.
_OMNI_STYLE = PromptStyle(system="You are a helpful assistant.")

# At most one window of Whisper's feature extractor.
_ONE_WINDOW = Hearing(longest="feature_extractor.chunk_length")
# Several windows, up to the processor's limit; one clip in each prompt.
_WINDOWS = Hearing(longest="max_audio_len", clips=1)
_ONE_CLIP = Hearing(clips=1)

_IMAGE = {"image": "image_token_id"}
_VISION = {**_IMAGE, "video": "video_token_id"}
_EVERY = {"audio": "audio_token_id", **_VISION}

# Of an Omni model only the thinker listens; talker and vocoder turn its answer into speech.

FAMILIES: tuple[Family, ...] = (
    Family(
        model_type="qwen2_audio",
        loader="Qwen2AudioForConditionalGeneration",
        expands_single_tokens=True,
        hearing=_ONE_WINDOW,
    ),
    Family(
        model_type="qwen2_5_omni",
        loader="Qwen2_5OmniThinkerForConditionalGeneration",
        listener="thinker",
        decoders=THINKER_DECODERS,
        prompt_style=_OMNI_STYLE,
        hearing=_ONE_WINDOW,
        tokens=_EVERY,
        row_state=ROPE_DELTAS,
    ),
    Family(
        model_type="qwen2_5_omni_thinker",
        loader="Qwen2_5OmniThinkerForConditionalGeneration",
        decoders=THINKER_DECODERS,
        prompt_style=_OMNI_STYLE,
        hearing=_ONE_WINDOW,
        tokens=_EVERY,
        row_state=ROPE_DELTAS,
    ),
    # Experts; query and key norms come before the raw score.
    Family(
        model_type="qwen3_omni_moe",
        loader="Qwen3OmniMoeThinkerForConditionalGeneration",
        listener="thinker",
        decoders=THINKER_DECODERS,
        tokens=_EVERY,
        row_state=ROPE_DELTAS,
    ),
    Family(
        model_type="qwen3_omni_moe_thinker",
        loader="Qwen3OmniMoeThinkerForConditionalGeneration",
        decoders=THINKER_DECODERS,
        tokens=_EVERY,
        row_state=ROPE_DELTAS,
    ),
    Family(
        model_type="audioflamingo3",
        loader="AudioFlamingo3ForConditionalGeneration",
        hearing=_WINDOWS,
    ),
    Family(
        model_type="musicflamingo",
        loader="MusicFlamingoForConditionalGeneration",
        hearing=_WINDOWS,
    ),
    Family(
        model_type="voxtral",
        loader="VoxtralForConditionalGeneration",
        prompts="mistral-common",
        hearing=Hearing(padded=30.0),
    ),
    # The encoders are inside the decoder's embedding, and the token ids in their configs.
    Family(
        model_type="phi4_multimodal",
        loader="Phi4MultimodalForCausalLM",
        decoders=("model",),
        tokens={
            "audio": "audio_config.audio_token_id",
            "image": "vision_config.image_token_id",
        },
        adapter=("speech", "speech-lora"),
    ),
    # Sliding layers, and last layers that share the keys of earlier ones.
    Family(
        model_type="gemma3n",
        loader="Gemma3nForConditionalGeneration",
        tokens={"audio": "audio_token_id", **_IMAGE},
        hearing=Hearing(longest=30.0, padded=30.0),
    ),
    Family(
        model_type="gemma4",
        loader="Gemma4ForConditionalGeneration",
        tokens=_EVERY,
        hearing=Hearing(longest=30.0),
    ),
    # With a LoRA adapter in the decoder, which the model enables if the prompt has audio.
    Family(model_type="granite_speech", loader="GraniteSpeechForConditionalGeneration"),
    Family(model_type="granite_speech_plus", loader="GraniteSpeechPlusForConditionalGeneration"),
    Family(model_type="glmasr", loader="GlmAsrForConditionalGeneration", hearing=_WINDOWS),
    # Its template takes text only in the system's turn, as context.
    Family(
        model_type="qwen3_asr",
        loader="Qwen3ASRForConditionalGeneration",
        prompt_style=PromptStyle(turn="system"),
        hearing=_ONE_CLIP,
    ),
    # It adds noise to its input; without it, the same clip gets the same answer.
    Family(
        model_type="vibevoice_asr",
        loader="VibeVoiceAsrForConditionalGeneration",
        config={"acoustic_tokenizer_encoder_config.vae_std": 0.0},
    ),
    Family(
        model_type="fun_asr_nano",
        loader="FunAsrNanoForConditionalGeneration",
        hearing=_ONE_CLIP,
    ),
    Family(
        model_type="moss_transcribe_diarize",
        loader="MossTranscribeDiarizeForConditionalGeneration",
        hearing=_ONE_CLIP,
    ),
    # A layer is one of Mamba, attention, experts and MLP.
    Family(
        model_type="nemotron_h_omni",
        loader="NemotronH_Omni_Reasoning_V3",
        decoders=("language_model.model",),
        attention="mixer",
        attends=("block_type", "full_attention"),
    ),
    # From here on: pictures only.
    Family(
        model_type="qwen2_5_vl",
        loader="Qwen2_5_VLForConditionalGeneration",
        tokens=_VISION,
        row_state=ROPE_DELTAS,
    ),
    # Query and key norms; image features are also added to the output of the first layers.
    Family(
        model_type="qwen3_vl",
        loader="Qwen3VLForConditionalGeneration",
        tokens=_VISION,
        row_state=ROPE_DELTAS,
    ),
    Family(model_type="llava", loader="LlavaForConditionalGeneration", tokens=_IMAGE),
    Family(
        model_type="llava_onevision",
        loader="LlavaOnevisionForConditionalGeneration",
        tokens=_VISION,
    ),
    # A video is given as images.
    Family(model_type="internvl", loader="InternVLForConditionalGeneration", tokens=_IMAGE),
    # Sliding layers; the tokens of one image see each other.
    Family(
        model_type="gemma3",
        loader="Gemma3ForConditionalGeneration",
        tokens=_IMAGE,
        mutual=("image",),
    ),
)

_NO_AUDIO_TOKENS = "no decoder position holds audio alone: "

UNSUPPORTED: dict[str, str] = {
    "whisper": _NO_AUDIO_TOKENS + "audio is heard through cross-attention",
    "moonshine": _NO_AUDIO_TOKENS + "audio is heard through cross-attention",
    "seamless_m4t": _NO_AUDIO_TOKENS + "audio is heard through cross-attention",
    "seamless_m4t_v2": _NO_AUDIO_TOKENS + "audio is heard through cross-attention",
    "cohere_asr": _NO_AUDIO_TOKENS + "audio is heard through cross-attention",
    "voxtral_realtime": _NO_AUDIO_TOKENS + "audio is added to the embedding of every text token",
    "moshi": _NO_AUDIO_TOKENS + "audio codes are added to the embedding of every text token",
    "kyutai_speech_to_text": (
        _NO_AUDIO_TOKENS + "audio codes are added to the embedding of every text token"
    ),
}
"""Families with audio that cannot be supported, and why."""
