"""Commands in processes of their own that start at once: forked from one that has imported all.

As a script: reads one JSON object a line (arguments, files for what is printed, most bytes of a
file), forks a process for it, and prints its number, and later its exit code.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ended:
    """A process that ended: its exit code, negative for a signal, and what it printed."""

    code: int
    out: str
    err: str


class Forking:
    """Runs commands one after the other.

    Args:
        folder: for the files that they print to.
    """

    def __init__(self, folder: Path) -> None:
        self._files = (folder / "stdout.txt", folder / "stderr.txt")
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self,
        arguments: list[str],
        kill_when: Callable[[], bool] | None = None,
        most_bytes: int | None = None,
    ) -> Ended:
        """Run ``mata`` with ``arguments`` and wait for its end.

        Args:
            arguments: of the command line.
            kill_when: asked again and again; once it says True, the process gets SIGKILL.
            most_bytes: that it can write to one file.
        """
        out, err = self._files
        asked = {"argv": arguments, "out": str(out), "err": str(err), "most": most_bytes}
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        process = self._line()
        deadline = time.monotonic() + 900
        while kill_when is not None and not kill_when():
            assert os.path.exists(f"/proc/{process}"), err.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.001)
        if kill_when is not None:
            os.killpg(process, signal.SIGKILL)
        return Ended(self._line(), out.read_text(), err.read_text())

    def close(self) -> None:
        """End the process from which the others were forked."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        assert self._server.wait(60) == 0

    def _line(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())


@contextmanager
def forking(folder: Path) -> Iterator[Forking]:
    """Run commands inside the block."""
    server = Forking(folder)
    try:
        yield server
    finally:
        server.close()


def serve() -> None:
    """Fork a process for each line of standard input."""
    import transformers

    from mata_audio.cli.main import main
    from mata_audio.evaluation.running import evaluate
    from mata_audio.tiny import benchmark

    # What takes long to import is there before the first fork.
    assert evaluate, benchmark
    assert transformers.Qwen2AudioForConditionalGeneration, transformers.AutoProcessor
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        process = os.fork()
        if process == 0:
            os.setsid()
            for name, descriptor in (("out", 1), ("err", 2)):
                opened = os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(opened, descriptor)
            if asked["most"] is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (asked["most"],) * 2)
            sys.argv = ["mata", *asked["argv"]]
            code = 1
            try:
                code = main(asked["argv"])
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        print(process, flush=True)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
