"""``Asker``: questions to one model, whose prompts are read once for any number of settings."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from mata_audio.asking.answer import Answer, FirstWord, Heard
from mata_audio.asking.hearing import cannot_show, hear
from mata_audio.asking.kept import KeptPrompts
from mata_audio.asking.prompt import Prompt
from mata_audio.asking.words import words_of
from mata_audio.errors import SettingsError
from mata_audio.families import Located, locate, using_row_state
from mata_audio.models.audio import Decoded
from mata_audio.models.loading import Loaded
from mata_audio.models.one_prefill import greedy
from mata_audio.models.other_audio import other_inputs
from mata_audio.models.placing import placed
from mata_audio.models.prefill import Prefilled
from mata_audio.models.prompter import Prompter
from mata_audio.models.remembered_sound import remembering_sound
from mata_audio.settings.named import NamedSetting
from mata_audio.shown.one_line import described, short
from mata_audio.steering.by_rule import NOTHING, attachment_by_rule, steered_layers
from mata_audio.steering.other_prompt import OtherPrompt
from mata_audio.steering.receipt import Receipt

LIKELIEST = 5
"""How many first words an answer comes with."""

MOST_BYTES = 2 * 2**30
"""Memory for the keys and values of kept prompts."""


class Asker:
    """Asks one model, one question at a time, whatever thread the questions come from.

    The answers are those of ``generate`` on the same prompt. Under the baseline the model is not
    touched while it answers.

    Args:
        loaded: the model; it is not steered.
        most_bytes: memory for prompts that were read, at most; see :class:`KeptPrompts`.
    """

    def __init__(self, loaded: Loaded, most_bytes: int = MOST_BYTES) -> None:
        self.loaded = loaded
        self.located: Located = locate(loaded.model)
        self.prompter = remembering_sound(Prompter.of(loaded))
        self._tokenizer = loaded.processor.tokenizer
        self.kept = KeptPrompts(self.located, self._tokenizer, most_bytes)
        self._turn = threading.Lock()

    def __repr__(self) -> str:
        return described(f"Asker of {short(self.loaded.name)}, keeps prompts: {len(self.kept):,}")

    def prompt(self, question: str, clips: Sequence[Decoded]) -> Prompt:
        """Return a question about clips as the model is given it.

        Args:
            question: as the user writes it, with its choices.
            clips: from :meth:`mata_audio.models.prompter.Prompter.decode`.

        Raises:
            SettingsError: the question is empty, contains the audio token, or has more clips than
                the model takes.
        """
        inputs = self.prompter.inputs([question], [[clip.samples for clip in clips]])
        return self.prompt_of(question, clips, inputs)

    def prompt_of(
        self, question: str, clips: Sequence[Decoded], inputs: Mapping[str, Tensor]
    ) -> Prompt:
        """Return the same for inputs that were made elsewhere, a batch of one without padding."""
        return Prompt(question, clips, placed([dict(inputs)], self.loaded.model))

    def answer(
        self,
        prompt: Prompt,
        setting: NamedSetting,
        max_new_tokens: int = 64,
        with_attention: bool = True,
    ) -> Answer:
        """Answer a prompt greedily under a setting.

        Args:
            prompt: from :meth:`prompt`.
            setting: ``NamedSetting("baseline", None)`` for the unmodified model.
            max_new_tokens: longest answer, in tokens.
            with_attention: note where each token listened, which takes one more short pass.

        Raises:
            SettingsError: the model lacks a layer, a head or a kind of token that is changed.
            NoAudioError: the prompt has no audio tokens.
            AlreadyAttachedError: the model is steered already.
        """
        started = time.perf_counter()
        rule = NOTHING if setting.method is None else setting.method.rule()
        with self._turn, torch.inference_mode():
            start = self.kept.of(prompt) if rule.rows.is_last else None
            first = _First()
            tokens, receipt = self._generate(prompt, setting, start, first, max_new_tokens)
            why_not = cannot_show(rule) or ("" if tokens else "the answer is empty")
            heard: Heard | None = None
            if with_attention and not why_not:
                try:
                    heard = hear(self.located, self._tokenizer, prompt, tokens, rule, start)
                except SettingsError as error:  # the answer is right all the same
                    why_not = f"its audio tokens do not fit its clips ({error})"
        decode = self._tokenizer.decode
        return Answer(
            name=setting.name,
            text=decode(tokens, skip_special_tokens=True).strip(),
            tokens=tuple(tokens),
            words=words_of(self._tokenizer, tokens),
            first_words=tuple(
                FirstWord(decode([token]), probability) for token, probability in first.likeliest
            ),
            heard=heard,
            why_not=why_not,
            receipt=receipt,
            layers=() if setting.method is None else steered_layers(rule, self.located),
            seconds=time.perf_counter() - started,
        )

    def _generate(
        self,
        prompt: Prompt,
        setting: NamedSetting,
        start: Prefilled | None,
        first: _First,
        max_new_tokens: int,
    ) -> tuple[list[int], Receipt | None]:
        """Return the answer's tokens, without the one that ends it, and the receipt."""
        located, listener = self.located, self.located.listener
        config = greedy(listener, self._tokenizer, max_new_tokens)
        arguments = dict(prompt.inputs) if start is None else start.rows(1)[0]
        state = None if start is None else start.state
        with using_row_state(located, state), self._steered(prompt, setting) as attachment:
            output = listener.generate(  # type: ignore[operator]
                **arguments,
                generation_config=config,
                logits_processor=LogitsProcessorList([first]),
            )
        new: list[int] = output[0, len(prompt.tokens) :].tolist()
        ends = (
            config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        )
        tokens = new[: next((n for n, token in enumerate(new) if token in ends), len(new))]
        return tokens, None if attachment is None else attachment.receipt

    @contextmanager
    def _steered(self, prompt: Prompt, setting: NamedSetting) -> Any:
        if setting.method is None:
            yield None
            return
        rule = setting.method.rule()
        others = {name: self._other(name, prompt) for name in rule.others}
        with attachment_by_rule(
            self.located, [rule], tokenizer=self._tokenizer, others=others
        ) as attachment:
            yield attachment
        attachment.check()

    def _other(self, name: str, prompt: Prompt) -> OtherPrompt:
        """Return a second prompt that a method compares with."""
        clips = [clip.samples for clip in prompt.clips]
        inputs = other_inputs(name, self.prompter, prompt.question, clips, seed=0)
        return OtherPrompt(placed([inputs], self.loaded.model))


class _First(LogitsProcessor):
    """Notes how likely each first token is; after all other processors, and changes nothing."""

    def __init__(self) -> None:
        self.likeliest: list[tuple[int, float]] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if not self.likeliest:
            top = scores[0].float().softmax(dim=-1).topk(LIKELIEST)
            self.likeliest = list(zip(top.indices.tolist(), top.values.tolist(), strict=True))
        return scores
