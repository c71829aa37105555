"""``mata serve``: an OpenAI-compatible server, steered by a setting or by each request's own."""

from __future__ import annotations

import argparse
from typing import Any

from mata_audio.cli.options.model import (
    add_loading_options,
    add_model,
    loading_options,
)
from mata_audio.cli.options.setting import add_setting_options, setting_from
from mata_audio.cli.parser import add_number
from mata_audio.cli.progress import note
from mata_audio.errors import SettingsError
from mata_audio.methods.own_file import folder_of

HELP = "serve a model to OpenAI clients, steered"

DESCRIPTION = """\
Serve a model at /v1/chat/completions, as OpenAI's protocol has it: messages with audio as base64,
whole answers and streams. It is Transformers' own server, and every answer is steered: by the
setting of this command, or by the request's own, in the field "mata" of its body: {"alpha": 0.2,
"layers": "10-20"}, {"method": "mass", "alpha": 1} or {"off": true}. Answers say in "mata" what was
done. It listens on this machine only, opens no addresses and no files that a request names, and
needs: pip install 'mata-audio[serve]'.
"""

EXAMPLES = """\
examples:
  mata serve tiny
  mata serve Qwen/Qwen2.5-Omni-7B --alpha 0.1 --port 8001
  mata serve ./my-model --method mass --alpha 1 --layers 10-20
"""

_NEEDED = ("fastapi", "uvicorn", "openai")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_model(parser)
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="address to listen on; others than this machine's let the network in (default: "
        "127.0.0.1)",
    )
    add_number(parser, "--port", "port to listen on", 8000)
    add_number(parser, "--max-megabytes", "largest body of a request, in MB", 32)
    add_setting_options(parser)
    add_loading_options(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until the process is told to stop.

    Raises:
        MataError: model or setting is wrong, or a library is missing; its class says which.
    """
    _check_libraries()
    if not 1 <= args.port <= 65535:
        raise SettingsError(f"--port must be between 1 and 65535; got {args.port}")
    if args.max_megabytes < 1:
        raise SettingsError(f"--max-megabytes must be 1 or more; got {args.max_megabytes}")

    import uvicorn

    from mata_audio.models.loading import load
    from mata_audio.serving.answering import Handler
    from mata_audio.serving.app import build_app
    from mata_audio.settings.in_words import short_name

    setting = setting_from(args, folder_of(args.model))
    note(f"loading {args.model}")
    loaded = load(args.model, **loading_options(args))
    handler = Handler(loaded, setting.method)
    app = build_app(handler, loaded.name, args.max_megabytes * 1_000_000)

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                note(
                    f"serving {loaded.name} at http://{args.host}:{args.port}/v1, "
                    f"{short_name(setting.method)} ({setting.origin})"
                )

    server = Server(
        uvicorn.Config(
            app,
            host=args.host,
            port=args.port,
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
    )
    server.run()
    return 0 if server.started else 1


def _check_libraries() -> None:
    from importlib.util import find_spec

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"mata serve needs {', '.join(missing)}: pip install 'mata-audio[serve]'"
        )
