"""Loading a model: its processor, then its weights."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoProcessor
from transformers.processing_utils import ProcessorMixin

from mata_audio.errors import MissingAdapterWarning, ModelLoadError, SettingsError
from mata_audio.families import Family, follow, locate
from mata_audio.families.wrappers import unwrapped
from mata_audio.models.finding import Found, find_model, skeleton
from mata_audio.models.hub import cache_only
from mata_audio.models.load_errors import cannot_write, explained, missing_processor_files, reason
from mata_audio.models.on_disk import check_cached
from mata_audio.models.sound_adapter import check_peft, enable_adapter
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.shown.one_line import OneLine, described, short
from mata_audio.tiny import TINY, is_embedded

SPREAD = "spread"
"""The device of a model that is divided over all GPUs: the ``device_map`` "auto" of accelerate."""

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""What ``dtype`` may be; "auto" is the checkpoint's."""


@dataclass(frozen=True)
class Loaded(OneLine):
    """A model ready for inference.

    Args:
        model: in ``eval`` mode, on its device.
        processor: feature extractor, tokenizer and chat template.
        name: its name in reports.
        family: its row in :data:`mata_audio.families.FAMILIES`.
    """

    model: nn.Module
    processor: Any
    name: str
    family: Family

    @classmethod
    def of(cls, model: nn.Module, processor: Any) -> Loaded:
        """Return a model and a processor that you loaded, for whatever takes a loaded model.

        Raises:
            UnsupportedModelError: the architecture is not known.
            ModelLoadError: the processor is not for audio (or images) and text, or cannot write
                prompts.
        """
        family, inner = locate(model).family, unwrapped(model)
        path = getattr(inner, "name_or_path", "")
        name = TINY if path and is_embedded(path) else path or type(inner).__name__
        check_processor(processor, family, name)
        return cls(model, processor, name, family)

    def __repr__(self) -> str:
        first = next(self.model.parameters())
        where = f"{first.device}, {str(first.dtype).removeprefix('torch.')}"
        return described(f"Loaded {short(self.name)}: {type(self.model).__name__} on {where}")


def load(
    model_id: str | Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    attn_implementation: str | None = None,
    trust_remote_code: bool = False,
    seeing: bool = False,
) -> Loaded:
    """Load a model and its processor.

    Args:
        model_id: ``"tiny"`` (the embedded model), a local folder or a hub id.
        device: ``"auto"`` (CUDA if there is a GPU), a PyTorch device, or :data:`SPREAD`.
        dtype: one of :data:`DTYPES`.
        attn_implementation: attention backend; None for the model's default.
        trust_remote_code: allow Python code from the model's repository to run.
        seeing: also accept a model that sees pictures but hears no audio.

    Raises:
        UnsupportedModelError: the architecture is not known, or has no audio.
        ModelLoadError: files are missing or damaged, or the hub cannot be reached.
        SettingsError: the device, dtype or backend does not exist.
    """
    found = find_model(model_id, trust_remote_code=trust_remote_code, seeing=seeing)
    processor = load_processor(found)
    model = load_weights(found, device=device, dtype=dtype, attn_implementation=attn_implementation)
    return Loaded(model, processor, found.name, found.family)


def load_processor(found: Found) -> Any:
    """Load the processor of a found model.

    Raises:
        ModelLoadError: it is missing, is not for audio (or images) and text, or cannot write
            prompts.
    """
    if found.folder is not None and (missing := missing_processor_files(found.folder)):
        raise ModelLoadError(
            f"{found.name} has no complete processor: {' and '.join(missing)} missing. Save the "
            "processor of the model from which this one was made: "
            f"AutoProcessor.from_pretrained(BASE).save_pretrained({str(found.folder)!r})"
        )
    with explained(f"cannot load the processor of {found.name}"), cache_only(found.cached):
        processor = AutoProcessor.from_pretrained(found.source, **found.options)
    check_processor(processor, found.family, found.name)
    return processor


def check_processor(processor: Any, family: Family, name: str) -> None:
    """Check that a processor can put questions to a model of ``family``, called ``name``.

    Raises:
        ModelLoadError: it is not for audio (or images) and text, or cannot write prompts.
    """
    kind = "audio" if "audio" in family.tokens else "image"
    image_processor = getattr(processor, "image_processor", None)
    part = sound_extractor(processor) if kind == "audio" else image_processor
    if not isinstance(processor, ProcessorMixin) or part is None:
        raise ModelLoadError(
            f"{name} has a {type(processor).__name__}, but a processor for {kind} and text "
            "is needed: is 'processor_class' missing in its preprocessor_config.json?"
        )
    if wrong := cannot_write(processor, family.prompts):
        raise ModelLoadError(f"{name} {wrong}")
    if not getattr(processor, f"{kind}_token", None):
        raise ModelLoadError(
            f"the processor of {name} names no {kind} token: set {kind}_token in its files"
        )


def sound_extractor(processor: Any) -> Any:
    """Return the part of a processor that turns sound into features; None if it has none."""
    extractor = getattr(processor, "feature_extractor", None)
    return getattr(processor, "audio_processor", None) if extractor is None else extractor


def load_weights(
    found: Found,
    *,
    device: str = "auto",
    dtype: str = "auto",
    attn_implementation: str | None = None,
) -> nn.Module:
    """Load the weights of a found model, from safetensors only; arguments as for :func:`load`.

    Raises:
        ModelLoadError: there are no safetensors, files are damaged or incomplete, memory is too
            small, or PEFT is missing for their adapter.
        SettingsError: the device, dtype or backend does not exist.
    """
    target = device_named(device)
    if dtype not in DTYPES:
        hint = did_you_mean(dtype, DTYPES)
        raise SettingsError(f"dtype must be one of {', '.join(DTYPES)}; got {dtype!r}{hint}")
    if found.cached:
        check_cached(found.source)
    check_peft(found.config, found.name)
    divided = {"device_map": "auto"} if device == SPREAD else {}
    skeleton(found, attn_implementation)  # refuses a wrong backend before any weights are read
    with explained(f"cannot load the weights of {found.name}"), cache_only(found.cached):
        model, info = found.model_class.from_pretrained(
            found.source,
            dtype=dtype,
            attn_implementation=attn_implementation,
            use_safetensors=True,
            output_loading_info=True,
            **divided,
            **found.options,
        )
        missing = sorted(info["missing_keys"])
        if not missing:
            _make_ready(found, model)
            return model.eval() if divided else model.to(target).eval()
    raise ModelLoadError(
        f"the weights of {found.name} are incomplete: {len(missing)} tensors are missing, "
        f"the first is {missing[0]}; download or copy them again"
    )


def _make_ready(found: Found, model: Any) -> None:
    """Set the family's config values, and enable its adapter for sound.

    Warns:
        MissingAdapterWarning: a folder lacks the adapter, which may be merged into its weights.
    """
    for path, value in found.family.config.items():
        owner, _, name = path.rpartition(".")
        setattr(follow(model.config, owner), name, value)
    if found.family.adapter is None:
        return
    name, subfolder = found.family.adapter
    if found.folder is not None and not (found.folder / subfolder).is_dir():
        warnings.warn(
            f"{found.name} has no {subfolder} folder: its makers' adapter for sound is not used",
            MissingAdapterWarning,
            stacklevel=3,
        )
        return
    enable_adapter(model, found.source, name, subfolder, found.folder is not None)


def device_named(name: str) -> torch.device:
    """Return a device; ``"auto"`` is the first GPU, or the CPU without one; so is :data:`SPREAD`.

    Raises:
        SettingsError: it does not exist.
    """
    if name in ("auto", SPREAD):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        hint = did_you_mean(name, ("auto", SPREAD, "cpu", "cuda", "mps"))
        raise SettingsError(f"device {name!r} cannot be used{hint}: {reason(error)}") from error
    return device
