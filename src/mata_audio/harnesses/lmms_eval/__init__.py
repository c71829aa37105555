"""lmms-eval: models that are steered by what stands in ``model_args``."""

from mata_audio.harnesses.extras import check_extra

check_extra("lmms_eval", "lmms-eval")
