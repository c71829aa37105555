"""``mata info``: what MATA finds in a model, without reading its weights."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mata_audio.cli.options.model import add_model, add_trust_remote_code
from mata_audio.cli.terminal import show

if TYPE_CHECKING:
    from mata_audio.families import Located

HELP = "show what MATA finds in a model"

DESCRIPTION = """\
Show a model's family, decoder, audio token and clip lengths, and the layers that MATA steers by
default. Weights are neither read nor downloaded. Of models in the paper, the published setting is
shown even if the model is not here and the hub cannot be reached.
"""

EXAMPLES = """\
examples:
  mata info tiny
  mata info Qwen/Qwen2.5-Omni-7B
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_model(parser)
    add_trust_remote_code(parser)


def run(args: argparse.Namespace) -> int:
    """Print the facts, one a line.

    Raises:
        UnsupportedModelError: the architecture is not supported.
        ModelLoadError: files are missing, or the hub cannot be reached.
    """
    from mata_audio.errors import ModelLoadError
    from mata_audio.families import locate
    from mata_audio.methods.mata import MATA
    from mata_audio.methods.own_file import own_setting
    from mata_audio.methods.presets import UNPUBLISHED, published
    from mata_audio.models.finding import find_model, skeleton
    from mata_audio.models.prompter import Prompter
    from mata_audio.settings.in_words import describe_on

    try:
        found = find_model(args.model, trust_remote_code=args.trust_remote_code)
    except ModelLoadError:
        _show_published(args.model)
        raise
    limits = Prompter.of(found).limits
    located = locate(skeleton(found))
    attention: Any = located.first_attention.config
    rows = {
        "model": found.name,
        "family": f"{found.family.model_type} ({found.family.loader})",
        "decoder": f"{located.depth} layers, numbered 0-{located.depth - 1}",
        "heads": f"{located.heads} query heads, {_key_heads(located)} key/value heads",
        "audio token": f"id {located.audio_token_id}",
        "clips": f"{limits.shortest * 1000:.0f} ms {_up_to(limits.longest)} each, "
        f"heard at {limits.sampling_rate:,} Hz",
        "backend": attention._attn_implementation,
        "MATA takes": f"{describe_on(MATA(), located)} (the paper's)",
    }
    known = published(found.name)
    if known is not None:
        rows["published"] = describe_on(MATA(known.alpha, known.layers), located)
        rows["source"] = known.source
    own = own_setting(found.folder)
    if known is not None or own is None:
        rows["evidence"] = (known or UNPUBLISHED).evidence
    if own is not None:
        rows["mata.json"] = describe_on(own, located)
    _show(rows)
    return 0


def _show(rows: Mapping[str, str]) -> None:
    for name, value in rows.items():
        show(f"{name:<12} {value}")


def _show_published(model: str) -> None:
    """Print what is known of a hub id without its files."""
    from mata_audio.methods.presets import published

    known = published(model)
    if known is None:
        return
    layers = "10-20 of 28, scaled to its depth" if known.layers is None else known.layers
    _show(
        {
            "model": known.model,
            "published": f"alpha {known.alpha:g}, layers {layers}",
            "source": known.source,
            "evidence": known.evidence,
        }
    )


def _key_heads(located: Located) -> str:
    """Return the number of key heads: two numbers for Gemma 4, where it differs by layer."""
    from mata_audio.steering.scaled_keys import key_heads

    modules = [located.attention(layer) for layer in located.attending]
    numbers = {key_heads(module, located.heads) for module in modules}
    return " or ".join(map(str, sorted(numbers)))


def _up_to(longest: float | None) -> str:
    return "or more" if longest is None else f"to {longest:g} s"
