"""Serve a steered model from a program of one's own: each request has its own setting.

python examples/own_server.py [MODEL] [PORT]

A request is JSON, sent by POST:

    {"question": "Which sound is this?", "audio": "BASE64 OF A FILE", "setting": {"alpha": 0.5}}

``setting`` replaces fields of the server's own, or names another ``method`` with its fields; null
asks the unmodified model. ``mata serve`` is a complete server. This one shows what yours needs: a
lock. A model has one setting at a time, so a request waits until the one before is answered.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mata_audio import MataError, answer_text, inputs_for, load, setting_for
from mata_audio.methods import Method
from mata_audio.methods.method import method_from
from mata_audio.models.loading import Loaded
from mata_audio.models.prompter import Prompter

MOST_BYTES = 32 * 2**20
FIELDS = {"question", "audio", "setting"}


class Answering:
    """Answers requests about one model, whatever thread they come from.

    Args:
        loaded: the model; it is not steered.
        default: the setting of requests that name none.
    """

    def __init__(self, loaded: Loaded, default: Method) -> None:
        self.model: Any = loaded.model
        self.processor = loaded.processor
        self.prompter = Prompter.of(loaded)
        self.default = default
        self.turn = threading.Lock()

    def answer(self, request: Any) -> dict[str, Any]:
        """Return the answer to a request, and what its setting did.

        Raises:
            ValueError: the request is not as it should be.
            MataError: the setting or the clip is refused.
        """
        if not isinstance(request, dict) or not {"question", "audio"} <= request.keys() <= FIELDS:
            raise ValueError(f"give an object with {', '.join(sorted(FIELDS))}, and nothing else")
        if not isinstance(request["question"], str) or not isinstance(request["audio"], str):
            raise ValueError("question and audio must be text")
        method = self.method_of(request.get("setting", {}))
        sound = base64.b64decode(request["audio"], validate=True)
        clip = self.prompter.decode(sound, "the clip")  # resampled as the model needs it
        inputs = inputs_for(self.model, self.processor, request["question"], clip.samples)
        steered = nullcontext() if method is None else method(self.model)
        with self.turn, steered as applied:
            output = self.model.generate(**inputs, do_sample=False, max_new_tokens=64)
        return {
            "answer": answer_text(self.processor, inputs, output),
            "setting": None if method is None else method.as_data(),
            "receipt": None if applied is None else str(applied.receipt),
        }

    def method_of(self, given: Mapping[str, Any] | None) -> Method | None:
        """Return the setting of a request; None for the unmodified model."""
        if given is None:
            return None
        if not isinstance(given, dict):
            raise ValueError("setting must be an object or null")
        same = given.get("method", self.default.name) == self.default.name
        return method_from({**self.default.as_data(), **given} if same else given, "setting")


def serving(answering: Answering, port: int) -> ThreadingHTTPServer:
    """Return a server on this machine's own address, which no other machine reaches."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 30  # seconds that a silent client keeps a thread

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.headers.get_content_type() != "application/json":
                # Pages of other sites cannot send this type without being asked first.
                self.reply(415, {"error": "send application/json"})
            elif not length.isdecimal() or int(length) > MOST_BYTES:
                self.reply(413, {"error": f"send at most {MOST_BYTES:,} bytes, and their number"})
            else:
                self.reply(*self.outcome(self.rfile.read(int(length))))

        def outcome(self, body: bytes) -> tuple[int, dict[str, Any]]:
            try:
                return 200, answering.answer(json.loads(body))
            except (MataError, ValueError, RecursionError) as error:
                return 400, {"error": str(error)}

        def reply(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        request_queue_size = 64  # connections that may wait; by default 5, and more are refused

    return Server(("127.0.0.1", port), Handler)


def main(name: str = "tiny", port: str = "8000") -> None:
    """Serve until interrupted."""
    with serving(Answering(load(name), setting_for(name)), int(port)) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main(*sys.argv[1:3])
