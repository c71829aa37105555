"""Runs that die at a given write, in processes that share one loaded model.

As a script: dies at the first write, then at the second and so on, each time in a new folder, and
resumes there. Prints where it died. The model's answers are scripted, but a measured value depends
on all items of the batch, as the last digits of real ones do.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import torch

from mata_audio import MATA
from mata_audio.evaluation.choosing.choose import WAYS, Way, choose_plan
from mata_audio.evaluation.choosing.evidence import Evidence
from mata_audio.evaluation.choosing.measuring import Measuring
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running import answering, batches, identity
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.prepare import Prepared, preparer_of
from mata_audio.evaluation.tasks.tiny import Tiny, TinyAudio
from mata_audio.models.loading import Loaded, load
from mata_audio.models.one_prefill import Generated
from mata_audio.steering.listening import Listening
from mata_audio.storage.run_folder import RunFolder

ITEMS, BATCH = 21, 4
KILLED = 9
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def measured(measuring: Measuring) -> Evidence:
    """Some evidence."""
    zeros = (0.0,) * 12
    return Evidence("scripted", "nothing", "a unit", zeros, zeros, zeros, 12, MATA(layers="3-7"))


def generate(self: answering.Answerer, batch: Sequence[Prepared], _: Any) -> list[Any]:
    """Wrong answers under the baseline, right ones under the settings."""
    ids = "".join(item.item.id for item in batch)
    byte = hashlib.sha256(ids.encode()).digest()[0]
    tokenizer = self._loaded.processor.tokenizer

    def line(item: Prepared) -> Any:
        right, wrong = (
            tuple(tokenizer(text, add_special_tokens=False).input_ids)
            for text in (
                item.item.answer,
                next(c for c in item.item.choices if c != item.item.answer),
            )
        )
        generated = {
            own.name: Generated(wrong, Listening())
            if own.method is None
            else Generated(right, Listening(byte, 256, 1, byte / 256, byte / 300))
            for own in self._settings
        }
        return answering._line(item, generated=generated, tokenizer=tokenizer)

    return [line(item) for item in batch]


class Dying:
    """Ends this process at one of its writes below a folder: before, amid or after it.

    Args:
        folder: the folder; other writes do not count.
        at: number of the moment, from 1; 0 for never.
    """

    def __init__(self, folder: Path, at: int) -> None:
        self._folder, self._at = str(folder), at
        self._passed = 0
        sys.addaudithook(self._audit)
        self._open = io.open
        io.open = self._opened  # type: ignore[assignment]

    def _moment(self, what: str) -> None:
        self._passed += 1
        if self._passed == self._at:
            print(what, flush=True)
            os._exit(KILLED)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename", "os.remove", "os.mkdir"):
            return
        path = str(arguments[0])
        writes = event != "open" or bool((arguments[2] or 0) & WRITING)
        if path.startswith(self._folder) and writes:
            self._moment(f"before {event} {Path(path).name}")

    def _opened(self, path: Any, mode: str = "r", *options: Any, **named: Any) -> Any:
        stream = self._open(path, mode, *options, **named)
        if str(path).startswith(self._folder) and mode != "r":
            write, name = stream.write, Path(path).name

            def halves(content: Any) -> int:
                for part in (content[: len(content) // 2], content[len(content) // 2 :]):
                    write(part)
                    stream.flush()
                    self._moment(f"amid or after writing {name}")
                return len(content)

            return _Stream(stream, halves)
        return stream


class _Stream:
    """A file whose ``write`` is another one."""

    def __init__(self, stream: Any, write: Callable[[Any], int]) -> None:
        self._stream, self.write = stream, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def small_plan(loaded: Loaded) -> Plan:
    """Return a plan with items of three shapes in turn, two batches of each; all are prepared."""
    plan = make_plan(loaded, "tiny", options=Options(limit=120, batch_size=BATCH, workers=1))
    prepare = preparer_of(plan, loaded)
    made = {item.id: prepare(item) for item in plan.items}
    batches.preparer_of = lambda *_: lambda item: made[item.id]
    by_shape: dict[object, list[Item]] = {}
    for item in plan.items:
        prepared = made[item.id]
        assert isinstance(prepared, Prepared)
        by_shape.setdefault(prepared.shape, []).append(item)
    commonest = sorted(by_shape.values(), key=len)[-3:]
    turns = zip(*commonest, strict=False)
    return replace(plan, items=tuple(item for turn in turns for item in turn)[:ITEMS])


def main(folder: Path) -> None:
    """Make ``whole``, then one folder for each moment."""
    torch.set_num_threads(1)
    loaded = load("tiny", device="cpu")
    answering.Answerer._generate = generate  # type: ignore[method-assign]
    identity.git_state = lambda: None  # the commit may change while this runs
    Tiny.load = cache(Tiny.load)  # type: ignore[method-assign]
    TinyAudio.read = cache(TinyAudio.read)  # type: ignore[method-assign]
    plan = small_plan(loaded)
    WAYS["scripted"] = Way("nothing", measured, alphas=(1.0,))

    def run(out: Path, die_at: int) -> int:
        child = os.fork()
        if child == 0:
            Dying(out, die_at)
            folder = RunFolder(out)
            choose_plan(
                plan, folder, "scripted", tuning_share=0.5, split_seed=0, report=lambda _: None
            )
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert run(folder / "whole", 0) == 0
    for moment in count(1):
        ended = run(folder / f"{moment}", moment)
        if ended == 0:
            return
        assert ended == KILLED, (moment, ended)
        assert run(folder / f"{moment}", 0) == 0, moment


if __name__ == "__main__":
    main(Path(sys.argv[1]))
