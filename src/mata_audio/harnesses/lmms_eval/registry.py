"""What lmms-eval finds at the entry point: the names of our models, and where their classes are."""

from lmms_eval.models.registry_v2 import ModelManifest

_HERE = "mata_audio.harnesses.lmms_eval"

MODELS = (
    ModelManifest("mata", simple_class_path=f"{_HERE}.general.Mata"),
    ModelManifest("mata_qwen2_audio", simple_class_path=f"{_HERE}.qwen2_audio.MataQwen2Audio"),
    ModelManifest("mata_qwen2_5_omni", simple_class_path=f"{_HERE}.qwen2_5_omni.MataQwen2_5Omni"),
    # By a name of its own: lmms-eval prefers a chat class to a simple one, but shows the clips of
    # tasks without messages to it as videos.
    ModelManifest(
        "mata_qwen2_5_omni_chat", chat_class_path=f"{_HERE}.qwen2_5_omni.MataQwen2_5OmniChat"
    ),
)
