"""``mata web``: a page to ask about clips, and to see and hear where the model listens."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from mata_audio.cli.options.model import (
    MODEL_HELP,
    add_loading_options,
    loading_options,
)
from mata_audio.cli.parser import add_number
from mata_audio.cli.progress import note
from mata_audio.errors import SettingsError
from mata_audio.methods.own_file import folder_of
from mata_audio.settings.named import load_setting
from mata_audio.tiny import TINY

HELP = "a page to ask, hear and see where the model listens"

DESCRIPTION = """\
Open a page in the browser: upload, record or choose a clip, ask a question, and compare the answers
without and with a setting. Click a word to see and hear where it listened; move alpha, layers and
formula while looking; silence a stretch to test what the model heard. The clip and the question are
read once, so a change costs the last token and the answer only. It listens on this machine only,
sends nothing anywhere, and needs: pip install 'mata-audio[web]'.
"""

EXAMPLES = """\
examples:
  mata web
  mata web Qwen/Qwen2-Audio-7B-Instruct
  mata web ./my-model --settings chosen.json --port 8080
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", default=TINY, help=f"{MODEL_HELP} (default: {TINY})"
    )
    parser.add_argument(
        "--settings",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a setting file to choose on the page; repeat for several",
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="address to listen on; others than this machine's let the network in (default: "
        "127.0.0.1)",
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help="port to listen on (default: the first free from 7860)",
    )
    parser.add_argument(
        "--share",
        action="store_true",
        help="also make a public link, through Gradio's servers: clips then leave this machine",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    add_number(parser, "--max-megabytes", "largest upload, in MB", 32)
    add_number(parser, "--max-new-tokens", "longest answer, in tokens", 64)
    add_loading_options(parser)


def run(args: argparse.Namespace) -> int:
    """Serve the page until the process is told to stop.

    Raises:
        MataError: model or setting is wrong, or Gradio is missing; its class says which.
    """
    _check(args)

    from mata_audio.web.serving import private_folder, serve

    with private_folder():
        from mata_audio.asking import Asker
        from mata_audio.models.loading import load
        from mata_audio.web.listening import Listening
        from mata_audio.web.page import build_page
        from mata_audio.web.starting_points import starting_points
        from mata_audio.web.visits import Visits

        note(f"loading {args.model}")
        loaded = load(args.model, **loading_options(args))
        points = starting_points(loaded, folder_of(args.model), args.settings)
        page = build_page(Listening(Asker(loaded), args.max_new_tokens), points, Visits())
        try:
            local, public = serve(page, args.host, args.port, args.max_megabytes, args.share)
        except OSError as error:
            raise SettingsError(f"--port {args.port}: {error}") from error
        note(f"the page of {loaded.name}: {local}  (Ctrl-C ends it)")
        if public:
            note(f"public link, for anyone who has it: {public}")
        if args.open:
            import webbrowser

            webbrowser.open(local)
        try:
            _wait_until_stopped()
        finally:
            page.close(verbose=False)
    note("ended")
    return 0


def _wait_until_stopped() -> None:
    """Wait for Ctrl-C, or for the signal by which other programs end this one."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    while not stopped.wait(timeout=3600):
        pass


def _check(args: argparse.Namespace) -> None:
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        raise SettingsError("mata web needs gradio: pip install 'mata-audio[web]'")
    if args.port is not None and not 1 <= args.port <= 65535:
        raise SettingsError(f"--port must be between 1 and 65535; got {args.port}")
    for path in args.settings:
        load_setting(path)  # refuses a wrong file before the model is loaded
    for name in ("max_megabytes", "max_new_tokens"):
        if getattr(args, name) < 1:
            raise SettingsError(f"--{name.replace('_', '-')} must be 1 or more")
