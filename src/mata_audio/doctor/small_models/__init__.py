"""Small random models of every supported family, of its real class, to check exactness on."""

from mata_audio.doctor.small_models.registry import MODEL_TYPES, VISION_MODEL_TYPES, small_model
from mata_audio.doctor.small_models.small_model import Pictures, Sample, SmallModel

__all__ = ["MODEL_TYPES", "VISION_MODEL_TYPES", "Pictures", "Sample", "SmallModel", "small_model"]
