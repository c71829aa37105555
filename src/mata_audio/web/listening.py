"""What the page does: takes clips, asks about them, silences a stretch, shows what was heard."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mata_audio.asking import Answer, Asker
from mata_audio.errors import AudioError, SettingsError
from mata_audio.evaluation.report.listening_page import listening_page
from mata_audio.evaluation.tasks import TASKS
from mata_audio.evaluation.templates.template import default_template
from mata_audio.listening_view import answer_data, clip_data, listening_data
from mata_audio.methods import Method
from mata_audio.models.audio import Decoded, SilentAudioWarning
from mata_audio.settings.in_words import describe_on, short_name
from mata_audio.settings.named import BASELINE, NamedSetting
from mata_audio.tiny import TINY
from mata_audio.tiny.signals import SAMPLE_RATE
from mata_audio.web.examples import Example
from mata_audio.web.visits import Visit

MOST_SECONDS = 600.0
"""Longest clip that is decoded; the model may hear only its beginning."""


class Listening:
    """Asks one model for the page; the state of each tab is its visit.

    Args:
        asker: of the model.
        max_new_tokens: longest answer, in tokens.
    """

    def __init__(self, asker: Asker, max_new_tokens: int) -> None:
        self.asker = asker
        self._max_new_tokens = max_new_tokens
        self._rate = asker.prompter.limits.sampling_rate

    def take_file(self, visit: Visit, path: Path) -> str:
        """Take an uploaded or recorded clip, and return what to say about it.

        Raises:
            AudioError: it cannot be decoded, or is too short or too long.
        """
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SilentAudioWarning)  # said below
            clip = self.asker.prompter.decode(content, path.name, cut=True, most=MOST_SECONDS)
        self._take(visit, path.name, clip)
        said = f"{path.name}: {clip.seconds:.2f} s"
        if clip.is_cut:
            said += f"; the model hears the first {clip.heard:.2f} s"
        if not clip.samples.any():
            said += "; it is silent: every sample is zero"
        return said

    def take_example(self, visit: Visit, example: Example) -> str:
        """Take the clip of an example, and return what to say about it."""
        samples, seconds = example.samples, len(example.samples) / SAMPLE_RATE
        self._take(visit, f"{example.item.task.name}.wav", Decoded(samples, seconds, seconds, ""))
        visit.right = example.item.answer
        return f"Example: {example.name}"

    def _take(self, visit: Visit, name: str, clip: Decoded) -> None:
        shown = clip_data(name, clip.samples, self._rate)
        visit.name, visit.clip, visit.shown = name, clip, shown
        visit.right, visit.silenced = "", None
        visit.forget_answers()

    def ask(
        self, visit: Visit, question: str, choices: Sequence[str], method: Method
    ) -> dict[str, Any]:
        """Answer the question without and with a method, and return the view's data.

        Raises:
            MataError: there is no clip, or the question or the method does not fit the model.
        """
        if visit.clip is None:
            raise AudioError("there is no clip yet: upload or record one, or choose an example")
        text = self._worded(question, choices)
        if visit.prompts and visit.prompts[False].question != text:
            visit.forget_answers()
        setting = NamedSetting(short_name(method), method)
        ways = [False] if visit.silenced is None else [False, True]
        answered = {silent: self._answer(visit, text, silent, setting) for silent in ways}
        visit.setting, visit.steered = setting, answered
        return self.view(visit)

    def silence(self, visit: Visit, start: float, end: float) -> dict[str, Any]:
        """Answer the same with a stretch of the clip silenced, and return the view's data.

        Raises:
            SettingsError: nothing was asked yet, or the stretch is not in the clip.
        """
        if visit.clip is None or not visit.prompts or visit.setting is None:
            raise SettingsError("ask a question first: then a stretch can be silenced")
        if not 0 <= start < end <= visit.clip.heard + 0.01:
            raise SettingsError(
                f"mark a stretch between 0 and {visit.clip.heard:.2f} s; got {start:g} to {end:g} s"
            )
        visit.forget_silence()
        visit.silenced = (start, end)
        visit.steered[True] = self._answer(
            visit, visit.prompts[False].question, True, visit.setting
        )
        return self.view(visit)

    def view(self, visit: Visit) -> dict[str, Any]:
        """Return the data of the view, without the clip."""
        options: dict[str, Any] = {"layers": self._averaged(visit), "heads": visit.heads}
        assert visit.setting is not None
        assert visit.setting.method is not None
        said = describe_on(visit.setting.method, self.asker.located)
        answers = []
        for silent in sorted(visit.steered):
            probe = self._silenced(visit) if silent else ""
            for own, kind, description in (
                (visit.baseline[silent], "baseline", "the unmodified model"),
                (visit.steered[silent], "steered", said),
            ):
                answers.append(
                    answer_data(
                        replace(own, name=f"{own.name}{probe}"),
                        f"probe-{kind}" if silent else kind,  # type: ignore[arg-type]
                        description=description,
                        correct=self._correct(visit, own),
                        **options,
                    )
                )
        question = visit.prompts[False].question
        return listening_data({}, question, answers, right=visit.right, **options)

    def page(self, visit: Visit) -> str:
        """Return what is shown as a self-contained HTML page.

        Raises:
            SettingsError: nothing was asked yet.
        """
        if not visit.steered:
            raise SettingsError("there is nothing to save yet: ask a question first")
        data = {**self.view(visit), "clip": visit.shown}
        return listening_page(data, self.asker.loaded.name)

    def choose(self, visit: Visit, layers: object, heads: object) -> dict[str, Any]:
        """Average attention over these layers and heads, None for all; return the view's data.

        Raises:
            SettingsError: the model lacks one of them, or nothing was asked yet.
        """
        if not visit.steered:
            raise SettingsError("ask a question first: then layers and heads can be chosen")
        located = self.asker.located
        visit.layers = _chosen("layers", layers, located.depth)
        visit.heads = _chosen("heads", heads, located.heads)
        return self.view(visit)

    def _answer(self, visit: Visit, text: str, silent: bool, setting: NamedSetting) -> Answer:
        """Answer the clip, or the clip with its stretch silenced, under a setting.

        The prompt and the baseline's answer are kept in the visit.
        """
        assert visit.clip is not None
        if silent not in visit.prompts:
            clip = self._without(visit.clip, visit.silenced) if silent else visit.clip
            visit.prompts[silent] = self.asker.prompt(text, [clip])
        prompt, tokens = visit.prompts[silent], self._max_new_tokens
        if silent not in visit.baseline:
            visit.baseline[silent] = self.asker.answer(prompt, NamedSetting(BASELINE, None), tokens)
        return self.asker.answer(prompt, setting, tokens)

    def _without(self, clip: Decoded, stretch: tuple[float, float] | None) -> Decoded:
        """Return the clip with a stretch replaced by silence."""
        assert stretch is not None
        samples = clip.samples.copy()
        first, last = (round(seconds * self._rate) for seconds in stretch)
        samples[first:last] = 0.0
        return replace(clip, samples=np.ascontiguousarray(samples))

    def _worded(self, question: str, choices: Sequence[str]) -> str:
        """Return the prompt's text; the embedded model is asked without its choices."""
        loaded = self.asker.loaded
        if not choices or loaded.name == TINY:
            return question.strip()
        template = default_template(loaded.family.model_type, loaded.name, TASKS["mmau"])
        return template.render(question.strip(), choices)

    def _averaged(self, visit: Visit) -> tuple[int, ...] | None:
        if visit.layers != "steered":
            return visit.layers  # type: ignore[return-value]
        return visit.steered[False].layers or None

    def _silenced(self, visit: Visit) -> str:
        assert visit.silenced is not None
        start, end = visit.silenced
        return f", {start:.2f} to {end:.2f} s silent"

    def _correct(self, visit: Visit, answer: Answer) -> bool | None:
        said, right = answer.text.strip().casefold(), visit.right.strip().casefold()
        return said == right if right else None


def _chosen(name: str, given: object, count: int) -> tuple[int, ...] | None:
    """Return what the map's reader chose; it comes from the browser, so nothing is sure."""
    if given is None:
        return None
    numbers = given if isinstance(given, list) else []
    if not numbers or not all(type(own) is int and 0 <= own < count for own in numbers):
        raise SettingsError(f"{name} must be some of 0-{count - 1}")
    return tuple(sorted(set(numbers)))
