"""``mata ask``: questions about one or more clips, without and with a method."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.cli.options.files import check_file
from mata_audio.cli.options.model import (
    add_loading_options,
    add_model,
    loading_options,
)
from mata_audio.cli.options.run import add_long_audio
from mata_audio.cli.options.setting import add_setting_options, setting_from
from mata_audio.cli.parser import add_number
from mata_audio.cli.progress import note
from mata_audio.cli.terminal import show, terminal_width
from mata_audio.errors import SettingsError
from mata_audio.methods.own_file import folder_of

if TYPE_CHECKING:
    from mata_audio.cli.questions import Asked, Questions
    from mata_audio.methods.method import Method
    from mata_audio.models.audio import Decoded
    from mata_audio.models.prompter import Prompter

HELP = "ask a model about audio files"

DESCRIPTION = """\
Ask a question about one or more audio files (WAV, FLAC, OGG or MP3, any sampling rate and number of
channels) and show the answers without and with MATA, or another method, side by side: what changed,
the likeliest first words, and the attention on audio. Decoding is greedy.
"""

EXAMPLES = """\
examples:
  mata ask tiny "Which sound is this?" --audio clip.wav
  mata ask tiny "Which sound is this?" --audio clip.wav --picture clip.png
  mata ask Qwen/Qwen2-Audio-7B-Instruct "What happens?" --audio a.wav --alpha 0.1
  mata ask ./my-model "Which clip is louder?" --audio a.wav b.flac --json asked.json
  mata ask ./my-model "What is this?" --audio a.wav --method contrast --option power=1
  mata ask tiny --chat --audio clip.wav

With --chat, every line is a question about the same clips, also from a pipe. An empty line or
Ctrl-D ends it; /set alpha=0.5 layers=10-20 changes the setting, /help says more.
"""

PICTURES = (".png", ".svg")

_FILE = re.compile(r"\S*[./\\]\S*[^\s?!.]|.*\.(wav|flac|ogg|mp3)", re.IGNORECASE | re.DOTALL)
"""What was meant as a file, if no such file is there; anything else may be a question."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.usage = "%(prog)s MODEL [QUESTION] --audio FILE [FILE ...] [options]"
    add_model(parser)
    parser.add_argument(
        "question",
        metavar="QUESTION",
        nargs="?",
        help="the question, in quotes; may be left out with --chat",
    )
    parser.add_argument(
        "--audio",
        action="extend",
        nargs="+",
        required=True,
        metavar="FILE",
        help="the audio files that the question is about, in order",
    )
    parser.add_argument(
        "--chat", action="store_true", help="go on with questions about the same clips"
    )
    parser.add_argument("--no-compare", action="store_true", help="answer only with the method")
    add_number(parser, "--max-new-tokens", "longest answer, in tokens", 256)
    add_long_audio(parser, "hear the beginning, or refuse them")
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="draw waveform, spectrogram and attention along time, as .png or .svg; if there are "
        "several clips, the second goes to FILE_2, and so on",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON too")
    add_setting_options(parser)
    add_loading_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the answers and the receipt. Everything is checked before any weights are read.

    Raises:
        MataError: model, audio or setting is wrong; its class says which.
    """
    question, files = question_and_files(args.question, args.audio)
    _check(args, question, files)
    setting_from(args, folder_of(args.model))

    from mata_audio.asking import Asker
    from mata_audio.cli.questions import Questions
    from mata_audio.families import locate
    from mata_audio.models.finding import find_model, skeleton
    from mata_audio.models.loading import Loaded, load_weights
    from mata_audio.models.prompter import Prompter
    from mata_audio.settings.in_words import describe_on

    found = find_model(args.model, trust_remote_code=args.trust_remote_code)
    setting = setting_from(args, found.folder)
    describe_on(setting.method, locate(skeleton(found)))
    prompter = Prompter.of(found)
    clips = [_heard(prompter, name, cut=args.long_audio == "cut") for name in files]
    _check_question(args, question, setting.method, prompter, clips)
    note(f"loading {found.name}")
    options = loading_options(args)
    del options["trust_remote_code"]  # ``find_model`` has taken it
    loaded = Loaded(load_weights(found, **options), prompter.processor, found.name, found.family)
    asking = Questions(
        Asker(loaded), files, clips, setting, not args.no_compare, args.max_new_tokens
    )
    if args.chat:
        from mata_audio.cli.chat import chat

        chat(asking, question)
        return 0
    assert question is not None  # or ``_check`` has refused
    asked = asking.ask(question, say=note)
    show(asking.header)
    show(f"question   {question}")
    show()
    show(asked.text(terminal_width()))
    show()
    show(asked.answers[-1].receipt)
    _write(args, asking, asked)
    return 0


def question_and_files(question: str | None, words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the question and the audio files, whatever their order on the command line was.

    ``--audio`` takes all words behind it, so the question may be among them.

    Args:
        question: what stood before ``--audio``, or behind another option.
        words: what ``--audio`` took.
    """
    others = [word for word in words if not (Path(word).exists() or _FILE.fullmatch(word))]
    if question is not None or len(others) != 1:
        return question, list(words)
    return others[0], [word for word in words if word != others[0]]


def _check(args: argparse.Namespace, question: str | None, files: Sequence[str]) -> None:
    """Refuse at once what needs no model to be wrong.

    Raises:
        SettingsError: an option that is not allowed, or there is no question.
        AudioError: a file cannot be read.
        MissingMatplotlibError: ``--picture`` is given, and Matplotlib is not installed.
    """
    if args.max_new_tokens < 1:
        raise SettingsError(f"--max-new-tokens must be 1 or more; got {args.max_new_tokens}")
    if question is None and not args.chat:
        raise SettingsError(
            "there is no QUESTION: give it in quotes before --audio, or --chat to ask many"
        )
    if not files:
        raise SettingsError("--audio names no file: give audio files behind it")
    for option, path in (("--picture", args.picture), ("--json", args.json)):
        if path is None:
            continue
        if args.chat:
            raise SettingsError(f"{option} is for one question: leave out --chat")
        check_file(option, path)
    if args.picture is not None:
        if args.picture.suffix.lower() not in PICTURES:
            raise SettingsError(
                f"--picture {args.picture}: its name must end with {' or '.join(PICTURES)}"
            )
        from mata_audio.pictures import require_matplotlib

        require_matplotlib()
    from mata_audio.models.audio import check_audio_file

    for name in files:
        check_audio_file(name)


def _heard(prompter: Prompter, name: str, cut: bool) -> Decoded:
    """Return what a model hears of a file, with a warning if that is not all of it."""
    clip = prompter.load_clip(name, cut)
    if clip.is_cut:
        note(f"warning: {name}: the model hears the first {clip.heard:.1f} of {clip.seconds:.1f} s")
    return clip


def _check_question(
    args: argparse.Namespace,
    question: str | None,
    method: Method,
    prompter: Prompter,
    clips: Sequence[Decoded],
) -> None:
    """Refuse what the model or the setting does not take.

    Raises:
        SettingsError: the question, the number of clips, a second prompt, or the picture.
    """
    from mata_audio.asking.hearing import cannot_show
    from mata_audio.models.other_audio import other_inputs

    rule, samples = method.rule(), [clip.samples for clip in clips]
    asked = "What is this?" if question is None else question  # the first of a chat is not known
    prompter.inputs([asked], [samples])
    for name in rule.others:
        other_inputs(name, prompter, asked, samples, seed=0)
    if args.picture is not None and args.no_compare and (why_not := cannot_show(rule)):
        raise SettingsError(f"--picture: no attention of {method.title} can be drawn, as {why_not}")


def _write(args: argparse.Namespace, asking: Questions, asked: Asked) -> None:
    """Write what ``--picture`` and ``--json`` ask for, and print the paths."""
    if args.picture is not None:
        from mata_audio.pictures.of_answers import save_answers

        if all(answer.heard is None for answer in asked.answers):
            note(f"warning: nothing is drawn: {asked.answers[0].why_not}")
        else:
            rate = asking.asker.prompter.limits.sampling_rate
            names = [Path(file).name for file in asked.files]
            for path in save_answers(args.picture, asked.prompt, asked.answers, rate, names):
                show(f"picture    {path}")
    if args.json is not None:
        from mata_audio.cli.asked_file import save_asked

        save_asked(args.json, asking, asked)
        show(f"JSON       {args.json}")
