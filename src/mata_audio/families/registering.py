"""Families that users register: models that :data:`FAMILIES` does not know."""

from __future__ import annotations

from mata_audio.errors import SettingsError
from mata_audio.families.family import Family, Hearing, Positions
from mata_audio.families.table import FAMILIES

REGISTERED: dict[str, Family] = {}
"""Families by the name under which they were registered."""


def register_family(
    name: str,
    *,
    decoder: str,
    listener: str = "",
    attention: str = "self_attn",
    audio_token: str | None = None,
    positions: Positions | None = None,
    loader: str = "",
) -> Family:
    """Make a family of models known until the program ends.

    The decoder's attention must call Transformers' attention interface; other models are refused
    when they are steered. Registering a name again replaces its family.

    Args:
        name: the name of the model's class, or its ``config.model_type``.
        decoder: dotted path from the listener to the text decoder, the module with ``layers``.
        listener: dotted path from the model to the module whose ``forward`` and ``generate`` read
            the prompt; "" for the model itself.
        attention: name of the attention module in a decoder layer.
        audio_token: dotted path from the listener's config to the id of the token at audio
            positions, if ``input_ids`` has one.
        positions: if it has none: a function from the model to the mask of the prompt about to be
            read, bool, shape ``(batch, tokens)``.
        loader: class in ``transformers`` that loads a checkpoint, for the command line.

    Raises:
        SettingsError: ``audio_token`` and ``positions`` are both given or both missing, or the name
            is that of a supported family.

    Example:
        >>> register_family(
        ...     "Salmonn",
        ...     listener="llama",
        ...     decoder="model",
        ...     positions=lambda model: model.audio_mask,
        ... )  # doctest: +SKIP
    """
    if (audio_token is None) == (positions is None):
        raise SettingsError(
            "say where the audio is: give either audio_token, the path to its id in the config, or "
            "positions, a function from the model to the mask of its prompt"
        )
    if any(family.model_type == name for family in FAMILIES):
        raise SettingsError(f"{name!r} is supported already; register under another name")
    REGISTERED[name] = Family(
        model_type=name,
        loader=loader,
        listener=listener,
        decoders=(decoder,),
        attention=attention,
        tokens={} if audio_token is None else {"audio": audio_token},
        positions=positions,
        hearing=Hearing(longest="feature_extractor.chunk_length"),
    )
    return REGISTERED[name]
