"""``mata ask``: one question about one or more clips, without and with a method."""

from __future__ import annotations

import argparse

from mata_audio.cli.options.model import (
    add_loading_options,
    add_model,
    loading_options,
    model_folder,
)
from mata_audio.cli.options.setting import add_setting_options, setting_from
from mata_audio.cli.parser import add_number
from mata_audio.cli.progress import note
from mata_audio.cli.terminal import plain, show
from mata_audio.errors import SettingsError

HELP = "ask a model about audio files"

DESCRIPTION = """\
Ask a question about one or more audio files (WAV, FLAC, OGG or MP3, any sampling rate and number of
channels) and show the answers without and with MATA, or another method, side by side. Decoding is
greedy.
"""

EXAMPLES = """\
examples:
  mata ask tiny "Which sound is this?" --audio clip.wav
  mata ask Qwen/Qwen2-Audio-7B-Instruct "What happens here?" --audio a.wav --alpha 0.1
  mata ask ./my-model "Which clip is louder?" --audio a.wav --audio b.flac --layers 10-20
  mata ask ./my-model "What happens here?" --audio a.wav --method contrast --option power=1
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_model(parser)
    parser.add_argument("question", metavar="QUESTION", help="the question, in quotes")
    parser.add_argument(
        "--audio",
        action="append",
        required=True,
        metavar="FILE",
        help="an audio file; repeat for several, in order",
    )
    parser.add_argument("--no-compare", action="store_true", help="answer only with the method")
    add_number(parser, "--max-new-tokens", "longest answer, in tokens", 256)
    add_setting_options(parser)
    add_loading_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the answers and the receipt. Everything is checked before any weights are read.

    Raises:
        MataError: model, audio or setting is wrong; its class says which.
    """
    if args.max_new_tokens < 1:
        raise SettingsError(f"--max-new-tokens must be 1 or more; got {args.max_new_tokens}")
    setting_from(args, model_folder(args.model))

    from mata_audio.families import locate
    from mata_audio.models import asking
    from mata_audio.models.finding import find_model, skeleton
    from mata_audio.models.loading import Loaded, load_weights
    from mata_audio.models.other_audio import other_inputs
    from mata_audio.models.prompter import Prompter
    from mata_audio.settings.in_words import describe_on

    found = find_model(args.model, trust_remote_code=args.trust_remote_code)
    setting = setting_from(args, found.folder)
    method, title = setting.method, setting.method.title
    description = describe_on(method, locate(skeleton(found)))
    prompter = Prompter.of(found)
    clips = [prompter.load_clip(path) for path in args.audio]
    prompt = prompter.inputs([args.question], [clips])
    second = {
        name: other_inputs(name, prompter, args.question, clips, seed=0)
        for name in method.rule().others
    }
    _warn_of_unknown_words(found.name, prompter.unknown_words(args.question))
    note(f"loading {found.name}")
    options = loading_options(args)
    del options["trust_remote_code"]  # ``find_model`` has taken it
    model = load_weights(found, **options)
    loaded = Loaded(model, prompter.processor, found.name, found.family)
    answers: dict[str, str] = {}
    if not args.no_compare:
        note(f"answering without {title}")
        answers["baseline"] = asking.answer(loaded, [prompt], args.max_new_tokens)[0]
    others = {name: asking.placed([own], model) for name, own in second.items()}
    note(f"answering with {title}")
    with method(model, tokenizer=loaded.processor.tokenizer, others=others) as applied:
        answers[title] = asking.answer(loaded, [prompt], args.max_new_tokens)[0]

    rate = prompter.limits.sampling_rate
    show(f"model      {found.name} ({found.family.model_type})")
    show(f"setting    {description}")
    show(f"           ({setting.origin})")
    for path, clip in zip(args.audio, clips, strict=True):
        show(f"audio      {path} ({len(clip) / rate:.2f} s)")
    show(f"question   {args.question}")
    show()
    show(side_by_side(answers))
    show()
    show(applied.receipt)
    return 0


def _warn_of_unknown_words(name: str, words: list[str]) -> None:
    if words:
        note(f"warning: {name} does not know these words: {', '.join(words)}")


def side_by_side(answers: dict[str, str], width: int = 100) -> str:
    """Return the answers under their names, in columns at most ``width`` wide together."""
    import itertools
    import textwrap

    gap = 4
    column = (width - gap * (len(answers) - 1)) // len(answers)
    cells = [
        [name, "-" * column if len(answers) > 1 else "-" * len(name)]
        + [
            line
            for paragraph in plain(text or "(empty answer)").splitlines()
            for line in textwrap.wrap(paragraph, column) or [""]
        ]
        for name, text in answers.items()
    ]
    rows = itertools.zip_longest(*cells, fillvalue="")
    return "\n".join((" " * gap).join(f"{cell:<{column}}" for cell in row).rstrip() for row in rows)
