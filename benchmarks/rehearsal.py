"""The rehearsal: what a user does with a 7B model, on one of its size with random weights.

Run with ``make gpu``. ``mata doctor`` and ``mata profile`` read a folder as a hub has it. Then ten
settings answer questions about clips as long as MMAU's, in exact and in padded batches, and the
baseline answers them without any. Last, ``mata eval`` is killed while it answers, and resumed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers

from interleaved import now
from mata_audio import MATA
from mata_audio.evaluation.running.plan import Options
from mata_audio.evaluation.tasks import task_named
from mata_audio.models.loading import load
from noise_questions import FILES, PUBLISHED, read_questions, write_clips
from random_model import DEVICE
from stand_in import STAND_INS, save
from timed_evaluation import Run, evaluate

ALPHAS, FORMULAS = (0.05, 0.1, 0.2, 0.4, 0.8), ("multiply", "absolute")
SETTINGS = [MATA(alpha=alpha, formula=formula) for formula in FORMULAS for alpha in ALPHAS]


def main() -> None:
    """Print what each step took.

    Raises:
        SystemExit: a command failed.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", choices=sorted(STAND_INS))
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--killed", type=int, default=100, help="clips of the run that is killed")
    parser.add_argument("--new-tokens", type=int, default=8)
    parser.add_argument("--small", action="store_true", help="a few layers, not the real size")
    parser.add_argument("--questions", type=Path, default=PUBLISHED)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as root:
        folder, data = Path(root) / args.model, Path(root) / "questions"
        texts = write_questions(data, read_questions(args.questions / FILES["mmau"], args.clips))
        start = now()
        parameters = save(args.model, folder, texts, DEVICE, args.small)
        print(f"{args.model}, {parameters / 1e6:,.0f} M random parameters: {now() - start:.0f} s")
        print(mata("doctor", str(folder)))
        profile = ["--task", "jsonl", "--data", str(data), "--items", "32"]
        print(mata("profile", str(folder), *profile))
        measure(args, folder, data)
        kill_and_resume(args, folder, data, Path(root))


def write_questions(data: Path, questions: list[dict[str, Any]]) -> list[str]:
    """Write clips and a file of questions about them, and return their texts."""
    data.mkdir()
    with (data / "questions.jsonl").open("w", encoding="utf-8") as file:
        for number, (path, question) in enumerate(write_clips("mmau", data, questions)):
            choices = list(dict.fromkeys(str(choice) for choice in question["choices"]))
            row = {
                "id": str(number),
                "audio": path.name,
                "question": question["question"],
                "choices": choices,
                "answer": choices[0],
            }
            file.write(json.dumps(row) + "\n")
    return [question["question"] for question in questions]


def command(*words: str) -> list[str]:
    """Return a ``mata`` command as a list of words for a process."""
    return [sys.executable, "-m", "mata_audio", *words]


def mata(*words: str) -> str:
    """Run a command, say how long it took, and return what it printed.

    Raises:
        SystemExit: it failed.
    """
    start = now()
    done = subprocess.run(command(*words), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}\nmata {words[0]}: exit status {done.returncode}")
    print(f"\nmata {words[0]}: {now() - start:.0f} s", flush=True)
    return done.stdout


def measure(args: argparse.Namespace, folder: Path, data: Path) -> None:
    """Print items a second of exact and padded batches, and of the baseline without settings."""
    loaded = load(folder, device=DEVICE)
    task = task_named("jsonl")

    def run(settings: Sequence[MATA], batching: str, limit: int) -> Run:
        options = Options(
            batching=batching, batch_size="auto", max_new_tokens=args.new_tokens, limit=limit
        )
        return evaluate(loaded, task, data, settings, options, folder.parent)

    run(SETTINGS, "padded", min(32, args.clips))  # what the first run alone pays for
    print(f"\n{args.clips:,} clips of MMAU's lengths, up to {args.new_tokens} new tokens")
    print(f"{'':34}{'items/s':>9}{'mean batch':>12}{'padding':>9}{'first':>9}{'memory':>11}")
    runs = {}
    for batching in ("exact", "padded"):
        for name, settings in (("baseline", []), ("baseline, 10 settings", SETTINGS)):
            own = runs[batching, name] = run(settings, batching, args.clips)
            print(
                f"{batching + ', ' + name:34}{own.rate:>9.2f}{own.mean:>12.1f}{own.padding:>9.1%}"
                f"{own.first:>7.1f} s{own.memory / 2**30:>7.1f} GiB",
                flush=True,
            )
    for batching in ("exact", "padded"):
        base, whole = (runs[batching, name] for name in ("baseline", "baseline, 10 settings"))
        print(f"{batching}: eleven answers cost {base.rate / whole.rate:.2f} times one answer")


def kill_and_resume(args: argparse.Namespace, folder: Path, data: Path, root: Path) -> None:
    """Kill a run while it answers, resume it, and compare it with one that nobody killed."""
    specs = [f"alpha={own.alpha} formula={own.formula}" for own in SETTINGS]
    words = ["eval", str(folder), "--task", "jsonl", "--data", str(data)]
    words += ["--items", str(min(args.killed, args.clips)), "--batching", "exact"]
    words += ["--max-new-tokens", str(args.new_tokens), "--batch-size", "8"]
    words += [word for spec in specs for word in ("--setting", spec)]
    whole, killed = root / "whole", root / "killed"
    mata(*words, "--out", str(whole))
    process = subprocess.Popen(
        command(*words, "--out", str(killed)),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not answered(killed) and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = answered(killed)
    mata(*words, "--out", str(killed))
    other = [
        str(path.relative_to(whole))
        for path in sorted(whole.rglob("*"))
        if path.is_file()
        and path.name != "run.json"
        and path.read_bytes() != (killed / path.relative_to(whole)).read_bytes()
    ]
    print(
        f"killed with {kept} of {min(args.killed, args.clips)} items answered, and resumed: "
        + (f"these files differ: {', '.join(other)}" if other else "every file as if never killed")
        + " (run.json also names the sitting that was killed)"
    )


def answered(out: Path) -> int:
    """Return how many answers a run has on disk."""
    items = out / "items.jsonl"
    return items.read_bytes().count(b"\n") if items.exists() else 0


if __name__ == "__main__":
    main()
