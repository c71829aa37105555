"""The question that the demo shows first: one that a person can hear and judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mata_audio.settings.named import BASELINE

if TYPE_CHECKING:
    from mata_audio.evaluation.results.results import ItemResult, Results
    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.models.loading import Loaded
    from mata_audio.settings.named import NamedSetting

CLEAR = ("order", "count", "loudness", "melody", "intonation")
"""Tasks whose right answer anybody hears; vowels, chords and instruments sound synthetic."""


def choose_example(items: Sequence[ItemResult]) -> ItemResult:
    """Return the item to show, out of the first ones of the benchmark.

    It is one that a setting gained, if any did: of a task that is easy to hear before others, of
    those that most settings gained, then the one with the least noise.
    """
    from mata_audio.tiny import make_items

    made = {item.id: item for item in make_items("test", len(items))}

    def worth(item: ItemResult) -> tuple[bool, bool, int, float]:
        clip, gained = made[item.id].clip, len(gained_by(item))
        return gained > 0, clip.task in CLEAR, gained, clip.snr_db

    return max(items, key=worth)


def gained_by(item: ItemResult) -> list[str]:
    """Return the settings that are right where the baseline is wrong."""
    right = [name for name, answer in item.answers.items() if answer.correct]
    return [] if BASELINE in right else right


def shown_setting(item: ItemResult, plan: Plan) -> NamedSetting:
    """Return the setting that the example is shown with: the first that gained it, or the first."""
    gained = gained_by(item)
    own = plan.settings[1:]
    return next((setting for setting in own if setting.name in gained), own[0])


def example_sentence(item: ItemResult, setting: str, results: Results) -> str:
    """Return what the example stands for: answers that were gained, of which some were lost."""
    paired = results.overall.paired.get(setting)
    if setting not in gained_by(item) or paired is None:
        return "No setting gained an answer in this run, so this is only one of its questions."
    others = f"one of {paired.gained} answers that it gained" if paired.gained > 1 else "its gain"
    said = f"Here {setting} is right and the baseline is wrong: {others}; it lost {paired.lost}."
    if "caption contradicts" in item.groups.values():
        said += " The caption in the question is false: only the clip has the answer."
    return said


def example_data(item: ItemResult, results: Results, plan: Plan, loaded: Loaded) -> dict[str, Any]:
    """Ask the example again, and return it as the listening view shows it."""
    from mata_audio.asking import Asker
    from mata_audio.listening_view import answer_data, clip_data, listening_data

    asker = Asker(loaded)
    setting = shown_setting(item, plan)
    source = next(own for own in plan.items if own.id == item.id).audio[0]
    clip = asker.prompter.decode(source.read(), source.name)
    prompt = asker.prompt(plan.template.render(item.question, item.choices), [clip])
    settings = [plan.settings[0], setting]
    answers = [asker.answer(prompt, own, plan.max_new_tokens) for own in settings]
    layers = answers[1].layers or None
    described = {own.name: own.description for own in results.settings}
    shown = [
        answer_data(
            answer,
            "baseline" if own.method is None else "steered",
            description=described[own.name],
            layers=layers,
            correct=item.answers[own.name].correct,
            place=plan.settings.index(own),
        )
        for answer, own in zip(answers, settings, strict=True)
    ]
    rate = asker.prompter.limits.sampling_rate
    return listening_data(
        clip_data(source.name, clip.samples, rate),
        item.question,
        shown,
        right=item.answer or "",
        layers=layers,
    )
