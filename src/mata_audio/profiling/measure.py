"""Where the last token looks: attention by layer, head and kind of token, over many prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mata_audio.errors import SettingsError
from mata_audio.families import locate
from mata_audio.profiling.gathering import BatchMasses, Gathered, Speaking, counted
from mata_audio.profiling.kinds import KINDS, token_kinds, vocabulary
from mata_audio.profiling.moments import Moments
from mata_audio.profiling.prompt_reader import PromptBatch, Reader, check_settings, generation
from mata_audio.profiling.result import Profile
from mata_audio.settings.mata import MATA
from mata_audio.settings.named import NamedSetting, with_baseline


def profile(
    model: nn.Module,
    batches: Iterable[Mapping[str, Tensor]],
    tokenizer: Any = None,
    settings: MATA | NamedSetting | Sequence[MATA | NamedSetting] | None = None,
    new_tokens: int = 0,
) -> Profile:
    """Measure where the last prompt token, and the generated ones, look.

    The baseline and all settings share the prefill of a batch without padding. Only sums by layer,
    head and kind of token are kept, so memory does not grow with the number of prompts, nor with
    their length squared.

    Args:
        model: a supported model, not steered.
        batches: model inputs as the processor returns them, on the model's device, padded on the
            left: ``input_ids`` and ``attention_mask`` of shape ``(batch, tokens)``, audio features.
            May be a generator: a batch is asked for once the one before it is done.
        tokenizer: tells special tokens and messages apart; without it all text counts as
            ``instruction``.
        settings: what to profile beside the baseline; None for the baseline alone.
        new_tokens: so many generated tokens (greedy) are profiled too, until the answer ends.

    Returns:
        The profile, with the baseline first and then each setting by its name.

    Raises:
        SettingsError: no batch, a layer or head that the model does not have, two settings of one
            name, or a wrong ``new_tokens``.
        SettingsTypeError: a batch that is not a dict of model inputs.
        NoAudioError: a prompt holds no audio token.
        UnsupportedModelError: an architecture that is not known.
        AlreadyAttachedError: the model is steered already.

    Example:
        >>> found = profile(model, [inputs], processor.tokenizer, MATA())  # doctest: +SKIP
        >>> found.attention["baseline"].of("audio", found.kinds)  # doctest: +SKIP
    """
    located = locate(model)
    named = with_baseline(settings or ())
    check_settings(located, named)
    config, ends = generation(located, tokenizer, new_tokens)
    listener: Any = located.listener
    known = vocabulary(listener.config, located.audio_token_id, tokenizer)
    gathered = {setting.name: Gathered() for setting in named}
    tokens = Moments()
    for number, inputs in enumerate(batches):
        prompts = PromptBatch(located, inputs, number)
        kinds = token_kinds(prompts.ids, prompts.mask, known)
        counts = counted(kinds, prompts.audio)
        tokens.add(counts[:, : len(KINDS)])
        reader = Reader(located, prompts, config, len(named))
        for setting in named:
            speaking = Speaking(prompts.width, ends)
            masses = BatchMasses(kinds, located.depth, speaking)
            reader.read(setting, masses, speaking)
            gathered[setting.name].add(*masses.result(), counts)
    if not tokens.count:
        raise SettingsError("there is nothing to profile: give at least one batch of prompts")
    return Profile(
        kinds=KINDS,
        items=tokens.count,
        tokens=tokens.mean,
        attention={s.name: gathered[s.name].attention(s.fields) for s in named},
    )
