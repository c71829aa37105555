"""The twelve questions that the embedded model answers, four in each domain, and their captions.

A caption paraphrases an answer, so the model must read it and cannot just copy a word.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mata_audio.tiny import music, sounds, speech
from mata_audio.tiny.signals import Signal

DOMAINS = ("sound", "music", "speech")


@dataclass(frozen=True)
class TinyTask:
    """One kind of question.

    ``captions`` maps every possible answer to sentences that state it.
    ``synthesise(rng, answer, seconds)`` returns the audio for which ``answer`` is right.
    ``snr_offset_db`` shifts the signal-to-noise ratio, so that tasks are about equally hard.
    """

    name: str
    domain: str
    questions: tuple[str, ...]
    captions: dict[str, tuple[str, ...]]
    synthesise: Callable[[np.random.Generator, str, float], Signal]
    snr_offset_db: float = 0.0

    @property
    def answers(self) -> tuple[str, ...]:
        """All possible answers, in a fixed order."""
        return tuple(self.captions)


EVENT_CAPTIONS: dict[str, tuple[str, ...]] = {
    "bell": ("something rings", "struck metal"),
    "siren": ("an ambulance passes", "an alarm wails"),
    "buzzer": ("an electric hum", "a fly in a jar"),
    "whistle": ("a referee blows", "a kettle boils"),
    "drum": ("a stick on a skin", "deep thumps"),
    "rain": ("water pours down", "a heavy shower"),
}

TASKS = (
    TinyTask(
        "event",
        "sound",
        ("Which sound is this?", "What do you hear?"),
        EVENT_CAPTIONS,
        sounds.event,
    ),
    TinyTask(
        "order",
        "sound",
        ("Which sound comes first?", "What is the first sound?"),
        {
            answer: tuple(f"at the start {phrase}" for phrase in phrases)
            for answer, phrases in EVENT_CAPTIONS.items()
        },
        sounds.first_of_two,
    ),
    TinyTask(
        "count",
        "sound",
        ("How many beeps are there?", "How many beeps do you hear?"),
        {
            "one beep": ("a single tone", "a lone tone"),
            "two beeps": ("a pair of tones", "a couple of tones"),
            "three beeps": ("a trio of tones", "several tones"),
        },
        sounds.beeps,
    ),
    TinyTask(
        "loudness",
        "sound",
        ("Does the sound get louder or quieter?", "Is the sound getting louder or quieter?"),
        {
            "louder": ("the volume grows", "it comes closer"),
            "quieter": ("the volume shrinks", "it fades away"),
        },
        sounds.loudness,
    ),
    TinyTask(
        "melody",
        "music",
        ("Does the melody rise or fall?", "Is the pitch rising or falling?"),
        {
            "rising": ("the notes climb", "the tune goes up"),
            "falling": ("the notes descend", "the tune goes down"),
        },
        music.melody,
    ),
    TinyTask(
        "mode",
        "music",
        ("Is the chord major or minor?", "Is the harmony major or minor?"),
        {
            "major": ("a happy chord", "bright harmony"),
            "minor": ("a sad chord", "dark harmony"),
        },
        music.mode,
        snr_offset_db=6.0,
    ),
    TinyTask(
        "tempo",
        "music",
        ("Is the music fast or slow?", "Is the tempo fast or slow?"),
        {
            "fast": ("hurried playing", "the notes race"),
            "slow": ("calm playing", "the notes take their time"),
        },
        music.tempo,
    ),
    TinyTask(
        "instrument",
        "music",
        ("Which instrument plays?", "What instrument do you hear?"),
        {
            "flute": ("a breathy pipe", "a player blows across a hole"),
            "organ": ("a church keyboard", "many pipes at once"),
            "piano": ("hammers on strings", "black and white keys"),
            "violin": ("a bowed string", "a fiddle"),
        },
        music.instrument,
    ),
    TinyTask(
        "vowel",
        "speech",
        ("Which vowel is spoken?", "What vowel do you hear?"),
        {
            "ah": ("as in father", "an open mouth"),
            "ee": ("as in feet", "a wide smile"),
            "oo": ("as in food", "rounded lips"),
            "eh": ("as in bed", "a half open mouth"),
        },
        speech.vowel,
    ),
    TinyTask(
        "word",
        "speech",
        ("Which word is spoken?", "What word do you hear?"),
        {
            "see": ("to look", "what eyes do"),
            "shoe": ("worn on a foot", "it has laces"),
            "eye": ("part of a face", "it has a lid"),
            "you": ("the listener", "not me but the other"),
            "we": ("our group", "all of us"),
        },
        speech.word,
    ),
    TinyTask(
        "voice",
        "speech",
        ("Is the voice high or low?", "Is this a high or a low voice?"),
        {
            "high": ("a child talks", "a small speaker"),
            "low": ("a giant talks", "a large speaker"),
        },
        speech.voice,
    ),
    TinyTask(
        "intonation",
        "speech",
        ("Is this a question or a statement?", "Is it a statement or a question?"),
        {
            "question": ("the speaker wonders", "somebody asks"),
            "statement": ("the speaker is sure", "somebody tells"),
        },
        speech.intonation,
    ),
)

TASK_BY_NAME = {task.name: task for task in TASKS}
