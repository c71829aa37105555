"""What a session holds of the embedded model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mata_audio import MATA
from mata_audio.asking import Answer, Asker, Prompt
from mata_audio.evaluation import NamedSetting, Results, evaluate
from mata_audio.models.audio import Decoded
from mata_audio.models.loading import Loaded, load
from mata_audio.profiling import Profile, Timeline, profile, timeline
from mata_audio.tiny.benchmark import make_items
from mata_audio.tiny.signals import SAMPLE_RATE

STRONG = MATA(alpha=2.0, layers="3-7")


@dataclass(frozen=True)
class Held:
    """A loaded model, a question to it, and what was measured."""

    loaded: Loaded
    clip: Decoded
    asker: Asker
    prompt: Prompt
    answer: Answer
    results: Results
    profile: Profile
    timeline: Timeline


def hold(folder: Path) -> Held:
    """Ask, evaluate and profile the embedded model; the run goes into ``folder``."""
    loaded = load("tiny", device="cpu")
    item = make_items("test", 30)[23]
    sound = np.asarray(item.waveform(), np.float32)
    seconds = len(sound) / SAMPLE_RATE
    clip = Decoded(sound, seconds, seconds, "")
    asker = Asker(loaded)
    prompt = asker.prompt(item.question, [clip])
    tokenizer = loaded.processor.tokenizer
    return Held(
        loaded,
        clip,
        asker,
        prompt,
        asker.answer(prompt, NamedSetting("MATA", STRONG)),
        evaluate(loaded, "tiny", folder, settings=STRONG, limit=6),
        profile(loaded.model, [prompt.inputs], tokenizer, STRONG),
        timeline(loaded.model, prompt.inputs, seconds, STRONG),
    )
