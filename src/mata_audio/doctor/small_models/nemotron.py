"""Nemotron-H-Omni: attention in two of six layers; the others are Mamba, experts and an MLP."""

from __future__ import annotations

import transformers

from mata_audio.doctor.small_models import vocabulary
from mata_audio.doctor.small_models.configs import DECODER, HEAD_DIM, LAYER, MELS
from mata_audio.doctor.small_models.mel_features import mel_features
from mata_audio.doctor.small_models.small_model import SmallModel, built

KINDS = ("linear_attention", "full_attention", "moe", "full_attention", "linear_attention", "mlp")
"""The kind of each decoder layer; linear attention is Mamba's."""


def nemotron_h_omni() -> SmallModel:
    """Nemotron-H-Omni: eight mel frames make one audio token."""
    text = {name: value for name, value in DECODER.items() if name != "num_hidden_layers"}
    config = transformers.NemotronH_Omni_Reasoning_V3_Config(
        audio_config={
            **LAYER,
            "conv_kernel_size": 3,
            "subsampling_conv_channels": 4,
            "num_mel_bins": MELS,
            "projection_hidden_size": 32,
            "projection_bias": False,
        },
        text_config={
            "model_type": "nemotron_h",
            **text,
            "layers_block_type": list(KINDS),
            "head_dim": HEAD_DIM,
            "use_mamba_kernels": False,
            "ssm_state_size": 8,
            "mamba_num_heads": 4,
            "mamba_head_dim": 16,
            "n_groups": 2,
            "expand": 1,
            "chunk_size": 8,
            "n_routed_experts": 4,
            "moe_intermediate_size": 32,
            "moe_shared_expert_intermediate_size": 32,
        },
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 32,
            "max_img_size": 64,
            "video_temporal_patch_size": 2,
        },
        vision_hidden_size=32,
        projector_hidden_size=32,
        audio_token_id=vocabulary.AUDIO,
        image_token_id=vocabulary.IMAGE,
        video_token_id=vocabulary.VIDEO,
    )
    model = built(transformers.NemotronH_Omni_Reasoning_V3, config)
    features = mel_features(lambda n: 8 * n - 1, time_first=True)
    return SmallModel("nemotron_h_omni", model, features)
