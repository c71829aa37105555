"""``profile``: attention by layer, head and kind of token, over many prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mata_audio.errors import SettingsError
from mata_audio.families import locate
from mata_audio.methods.method import Method
from mata_audio.profiling.gathering import Gathered, counted
from mata_audio.profiling.moments import Moments
from mata_audio.profiling.prompt_reader import PromptBatch, PromptReader, check_settings, generation
from mata_audio.profiling.result import Profile
from mata_audio.settings.named import NamedSetting, with_baseline
from mata_audio.steering.token_kinds import KINDS, token_kinds, vocabulary


def profile(
    model: nn.Module,
    batches: Iterable[Mapping[str, Tensor]],
    tokenizer: Any = None,
    settings: Method | NamedSetting | Sequence[Method | NamedSetting] | None = None,
    new_tokens: int = 0,
) -> Profile:
    """Measure where the last prompt token and the generated tokens look.

    The baseline and all settings share the prefill of a batch without padding. Only sums by layer,
    head and kind of token are kept, so memory grows neither with the number of prompts nor with
    the square of their length.

    Args:
        model: a supported model, not steered.
        batches: model inputs as the processor returns them, on the model's device, padded on the
            left: ``input_ids`` and ``attention_mask`` of shape ``(batch, tokens)``, audio features.
            May be a generator; each batch is fetched when the previous one is done.
        tokenizer: needed to tell special tokens and messages apart; without it, all text counts
            as ``instruction``.
        settings: profiled in addition to the baseline; None for only the baseline.
        new_tokens: number of generated tokens (greedy) to profile too, until the answer ends.

    Returns:
        The profile: the baseline first, then each setting by its name.

    Raises:
        SettingsError: no batch, a layer or head that the model does not have, two settings with
            the same name, or a wrong ``new_tokens``.
        SettingsTypeError: a batch is not a dict of model inputs.
        NoAudioError: a prompt has no audio tokens.
        UnsupportedModelError: the architecture is unknown.
        AlreadyAttachedError: the model is steered already.

    Example:
        >>> found = profile(model, [inputs], processor.tokenizer, MATA())  # doctest: +SKIP
        >>> found.attention["baseline"].of("audio", found.kinds)  # doctest: +SKIP
    """
    located = locate(model)
    named = with_baseline(settings or ())
    check_settings(located, named)
    how = generation(located, tokenizer, new_tokens)
    listener: Any = located.listener
    known = vocabulary(listener.config, located.audio_token_id, tokenizer)
    gathered = {setting.name: Gathered() for setting in named}
    tokens = Moments()
    for number, inputs in enumerate(batches):
        prompts = PromptBatch(located, inputs, number)
        kinds = token_kinds(prompts.ids, prompts.mask, known)
        counts = counted(kinds, prompts.audio)
        tokens.add(counts[:, : len(KINDS)])
        reader = PromptReader(located, prompts, how, len(named))
        for setting in named:
            gathered[setting.name].add(*reader.masses(setting, kinds), counts)
    if not tokens.count:
        raise SettingsError("there is nothing to profile: give at least one batch of prompts")
    return Profile(
        kinds=KINDS,
        items=tokens.count,
        tokens=tokens.mean,
        attention={s.name: gathered[s.name].attention(s.fields) for s in named},
    )
