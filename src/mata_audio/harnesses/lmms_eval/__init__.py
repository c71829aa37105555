"""lmms-eval: models that are steered by what stands in ``model_args``."""
