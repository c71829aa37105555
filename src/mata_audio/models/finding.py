"""Finding a model: what its small files say, checked before any weights are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import AutoConfig, PreTrainedConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from mata_audio.errors import SettingsError, UnsupportedModelError
from mata_audio.families import Family, family_named
from mata_audio.models.hub import cache_only
from mata_audio.models.load_errors import explained
from mata_audio.models.on_disk import check_source, did_you_mean_model, reachable
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.shown.one_line import OneLine
from mata_audio.tiny import MODEL_PATH, TINY, is_embedded


@dataclass(frozen=True)
class Found(OneLine):
    """A supported model, before its weights are read.

    Args:
        name: its name in reports.
        source: folder or hub id for ``from_pretrained``.
        family: its row in :data:`mata_audio.families.FAMILIES`.
        config: its configuration, of the class that ``family.loader`` needs.
        options: further arguments for every ``from_pretrained``.
    """

    name: str
    source: str
    family: Family
    config: Any
    options: dict[str, Any]

    @property
    def model_class(self) -> Any:
        """The ``transformers`` class that loads it for questions."""
        return getattr(transformers, self.family.loader)

    @property
    def cached(self) -> bool:
        """Whether it is in the hub's cache and read from there, as the hub cannot be reached."""
        return self.folder is None and bool(self.options.get("local_files_only"))

    @property
    def folder(self) -> Path | None:
        """The folder of a local model; None for a hub id."""
        return Path(self.source) if Path(self.source).is_dir() else None


def find_model(
    model_id: str | Path, *, trust_remote_code: bool = False, seeing: bool = False
) -> Found:
    """Read a model's configuration.

    Arguments and errors are those of :func:`mata_audio.models.loading.load`.
    """
    source = str(MODEL_PATH if str(model_id) == TINY else model_id)
    check_source(source)
    local = Path(source).is_dir() or not reachable(source)
    options = {"trust_remote_code": trust_remote_code, "local_files_only": local}
    name = TINY if is_embedded(source) else str(model_id)
    hint = "" if local else did_you_mean_model(source)
    with explained(f"cannot read the configuration of {name}{hint}"), cache_only(local):
        data, _ = PreTrainedConfig.get_config_dict(source, local_files_only=local)
        family = _family(data, name, seeing)
        model_class = getattr(transformers, family.loader)
        config_class = getattr(model_class, "config_class", None) or AutoConfig
        config = config_class.from_pretrained(source, **options)
    return Found(name, source, family, config, options)


def model_name(name: str) -> str:
    """Return the name of a model that does not depend on how its folder's path is written.

    It is the folder's own name, without links: ``./m``, ``m/`` and ``/models/m`` are all ``m``. Hub
    ids, and ``"tiny"``, stay as they are.
    """
    folder = Path(name)
    return folder.resolve().name or name if name != TINY and folder.is_dir() else name


def skeleton(found: Found, attn_implementation: str | None = None) -> nn.Module:
    """Build the model without weights, on PyTorch's meta device; takes milliseconds.

    Raises:
        SettingsError: the attention backend does not exist, or cannot be used on this machine.
        ModelLoadError: no model can be built from the configuration.
    """
    chosen: dict[str, str] = {}
    failing = explained(f"no model can be built from the configuration of {found.name}")
    if attn_implementation is not None:
        hint = did_you_mean(attn_implementation, ("eager", *ALL_ATTENTION_FUNCTIONS.keys()))
        chosen = {"attn_implementation": attn_implementation}
        failing = explained(
            f"attention backend {attn_implementation!r} cannot be used{hint}", SettingsError
        )
    build = getattr(found.model_class, "from_config", None) or found.model_class._from_config
    with failing, torch.device("meta"):
        return build(found.config, **chosen)


def _family(config: dict[str, Any], name: str, seeing: bool) -> Family:
    try:
        family = family_named(config.get("model_type"), name)
        if "audio" in family.tokens or seeing:
            return family
        raise UnsupportedModelError(
            f"a {family.model_type} model has only {' and '.join(family.tokens)} tokens: from "
            f'Python it can be steered with MATA(tokens="{next(iter(family.tokens))}")'
        )
    except UnsupportedModelError as error:
        if "audio" in str(config).lower():
            raise
        raise UnsupportedModelError(
            f"{name} is a model without audio: its configuration never mentions audio. {error}"
        ) from None
