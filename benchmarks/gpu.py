"""Everything that only a GPU can show, in one go, as one page of figures.

Run with ``make gpu``, which writes ``build/gpu.md``. Its parts: ``tests`` (exactness on CUDA),
``cost`` (time, memory and launches at the width of a 7B model) and ``rehearsal`` (what a user does
with two 7B models). A part that fails is on the page, the others run, and the exit status is 1.
``--small`` runs the same on a CPU, with small models.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import transformers
from transformers.utils import is_flash_attn_2_available

from stand_in import STAND_INS

HERE = Path(os.path.relpath(Path(__file__).parent))


def main() -> None:
    """Run the parts, and write the page after each command, for a run that is stopped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", default="tests,cost,rehearsal")
    parser.add_argument("--small", action="store_true", help="small models, on any machine")
    parser.add_argument("--out", type=Path, default=Path("build/gpu.md"))
    args = parser.parse_args()
    if not args.small and not torch.cuda.is_available():
        parser.error("there is no CUDA device: --small runs everything at a small size instead")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    page = [f"# Figures from {machine()}\n"]
    failed = False
    for part in args.parts.split(","):
        for title, command in PARTS[part](args.small):
            print(f"\n== {title}", flush=True)
            status, output = run(command)
            failed |= status != 0
            result = "" if status == 0 else f"\n\nExit status {status}."
            shown = " ".join(["python", *command[1:]])
            page.append(f"\n## {title}\n\n`{shown}`\n\n```\n{output.strip(chr(10))}\n```{result}\n")
            args.out.write_text("".join(page), encoding="utf-8")
    print(f"\nwritten: {args.out}")
    sys.exit(failed)


def machine() -> str:
    """Return what was measured, when and with what."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{device}, {datetime.date.today():%Y-%m-%d}, {versions}"


def tests(small: bool) -> Iterator[tuple[str, list[str]]]:
    """Exactness on the device."""
    del small  # without a GPU, each is skipped and says so
    yield "Exactness on CUDA", python("-m", "pytest", "-q", "-rs", "tests/steering/test_cuda.py")


def cost(small: bool) -> Iterator[tuple[str, list[str]]]:
    """Launches; then time and memory for backends, lengths and batches."""
    yield "Launches", python(HERE / "launches.py")
    size = ["--layers", "4", "--width", "256"] if small else ["--width", "3584"]
    dtype = ["--dtype", "float32" if small else "bfloat16"]
    rounds = ["--rounds", "1", "--new-tokens", "4"] if small else ["--rounds", "7"]
    flash = ["flash_attention_2"] if is_flash_attn_2_available() else []
    for backend in ("sdpa", *flash):
        for audio in (75, 192) if small else (750, 1920):
            for batch in (1, 2 if small else 16):
                prompts = ["--audio-tokens", str(audio), "--batch", str(batch)]
                options = [*size, *dtype, *rounds, "--backend", backend, *prompts]
                title = f"Cost: {backend}, {audio + 80:,} prompt tokens, batch {batch}"
                yield title, python(HERE / "overhead.py", *options)


def rehearsal(small: bool) -> Iterator[tuple[str, list[str]]]:
    """What a user does with each of the 7B models."""
    size = ["--small", "--clips", "24", "--killed", "16"] if small else []
    for name in STAND_INS:
        yield f"Rehearsal: {name}", python(HERE / "rehearsal.py", name, *size)


PARTS = {"tests": tests, "cost": cost, "rehearsal": rehearsal}


def python(*words: str | Path) -> list[str]:
    """Return a command of this Python."""
    return [sys.executable, *map(str, words)]


def run(command: list[str]) -> tuple[int, str]:
    """Run a command, show its output as it comes, and return its exit status and output."""
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


if __name__ == "__main__":
    main()
