"""``mata ask``: one question about one or more clips, without and with MATA."""

from __future__ import annotations

import argparse
from typing import Any

from mata_audio.cli.commands.info import add_model_arguments
from mata_audio.cli.options.setting import add_setting_options
from mata_audio.cli.progress import note

EXAMPLE = """\
examples:
  mata ask tiny "Which sound is this?" --audio clip.wav
  mata ask Qwen/Qwen2-Audio-7B-Instruct "What happens here?" --audio a.wav --alpha 0.1
  mata ask ./my-model "Which clip is louder?" --audio a.wav --audio b.flac --layers 10-20
"""


def add_parser(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "ask",
        help="ask a model about audio files",
        description="Ask a question about one or more audio files (WAV, FLAC, OGG or MP3, any rate "
        "and number of channels) and show the answers without and with MATA side by side. "
        "Decoding is greedy.",
        epilog=EXAMPLE,
    )
    add_model_arguments(parser)
    parser.add_argument("question", metavar="QUESTION", help="in quotes")
    parser.add_argument(
        "--audio",
        action="append",
        required=True,
        metavar="FILE",
        help="a clip; give it again for several, in order",
    )
    parser.add_argument("--no-compare", action="store_true", help="only the answer with MATA")
    parser.add_argument(
        "--max-new-tokens", type=int, default=256, metavar="N", help="longest answer (default: 256)"
    )
    add_setting_options(parser)
    group = parser.add_argument_group("model")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (auto)")
    group.add_argument(
        "--dtype", default="auto", help="auto (the checkpoint's), float32, bfloat16 or float16"
    )
    group.add_argument("--attention", metavar="NAME", help="attention backend: sdpa, eager, ...")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the answers and the receipt. Everything is checked before any weights are read.

    Raises:
        MataError: of the kind that says what was wrong with model, audio or setting.
    """
    from mata_audio.cli.options.setting import setting_from
    from mata_audio.cli.quiet import quiet_libraries, use_one_thread
    from mata_audio.errors import SettingsError

    quiet_libraries(getattr(args, "debug", False))
    if args.max_new_tokens < 1:
        raise SettingsError(f"--max-new-tokens must be 1 or more; got {args.max_new_tokens}")
    setting_from(args, None)

    from mata_audio.families import locate
    from mata_audio.models import asking
    from mata_audio.models.finding import TINY, find_model, skeleton
    from mata_audio.models.loading import Loaded, load_weights
    from mata_audio.models.prompter import Prompter
    from mata_audio.settings.in_words import describe_on

    found = find_model(args.model, trust_remote_code=args.trust_remote_code)
    setting = setting_from(args, found.folder)
    description = describe_on(setting.mata, locate(skeleton(found)))
    prompter = Prompter.of(found)
    clips = [prompter.load_clip(path) for path in args.audio]
    prompt = prompter.inputs([args.question], [clips])
    _warn_of_unknown_words(found.name, prompter.unknown_words(args.question))
    note(f"loading {found.name}")
    if found.name == TINY:
        use_one_thread()
    model = load_weights(
        found, device=args.device, dtype=args.dtype, attn_implementation=args.attention
    )
    loaded = Loaded(model, prompter.processor, found.name, found.family)
    answers: dict[str, str] = {}
    if not args.no_compare:
        note("answering without MATA")
        answers["baseline"] = asking.answer(loaded, [prompt], args.max_new_tokens)[0]
    note("answering with MATA")
    with setting.mata(model) as applied:
        answers["MATA"] = asking.answer(loaded, [prompt], args.max_new_tokens)[0]

    rate = prompter.limits.sampling_rate
    print(f"model      {found.name} ({found.family.model_type})")
    print(f"setting    {description}")
    print(f"           ({setting.origin})")
    for path, clip in zip(args.audio, clips, strict=True):
        print(f"audio      {path} ({len(clip) / rate:.2f} s)")
    print(f"question   {args.question}")
    print()
    print(side_by_side(answers))
    print()
    print(applied.receipt)
    return 0


def _warn_of_unknown_words(name: str, words: list[str]) -> None:
    if words:
        note(f"warning: {name} does not know the words: {', '.join(words)}")


def side_by_side(answers: dict[str, str], width: int = 100) -> str:
    """Return answers under their names, in columns that together are at most ``width`` wide."""
    import itertools
    import textwrap

    gap = 4
    column = (width - gap * (len(answers) - 1)) // len(answers)
    cells = [
        [name, "-" * column if len(answers) > 1 else "-" * len(name)]
        + [
            line
            for paragraph in _printable(text or "(empty answer)").splitlines()
            for line in textwrap.wrap(paragraph, column) or [""]
        ]
        for name, text in answers.items()
    ]
    rows = itertools.zip_longest(*cells, fillvalue="")
    return "\n".join((" " * gap).join(f"{cell:<{column}}" for cell in row).rstrip() for row in rows)


def _printable(text: str) -> str:
    """Keep what a model says from moving the cursor or changing colours."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)
