"""What the demo shows, as text and as data, from one object."""

from __future__ import annotations

import platform
import textwrap
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from mata_audio import __version__
from mata_audio.cli.benchmark_run import Run
from mata_audio.cli.comparison import Answered, Comparison, compare_all
from mata_audio.cli.setting_options import Setting

WIDTH = 100

NEXT = """\
Next
  mata demo --items 200 --alpha 0.1 --layers paper --heads all     the paper's setting, here
  mata demo --items 200 --keep clips                               keep the clips, then:
  mata ask tiny "Which sound is this?" --audio clips/000000/audio/tiny-test-0-000000.wav
  mata info Qwen/Qwen2-Audio-7B-Instruct                           a full-size model
  mata ask Qwen/Qwen2-Audio-7B-Instruct "What do you hear?" --audio YOUR.wav"""


@dataclass(frozen=True)
class Report:
    """The results of one demo run.

    Args:
        setting: what was compared with the baseline, and where it comes from.
        description: the setting in words.
        comparisons: figures by condition, by domain and of all items.
        example: one item with both answers; a gained one where there is one.
        run: every answer, and the receipt.
        seconds: from the start of the command.
    """

    setting: Setting
    description: str
    comparisons: list[Comparison]
    example: Answered
    run: Run
    seconds: float

    @classmethod
    def build(cls, run: Run, setting: Setting, description: str, seconds: float) -> Report:
        """Work the figures out."""
        gained = (a for a in run.answers if a.mata_right and not a.baseline_right)
        example = next(gained, run.answers[0])
        return cls(setting, description, compare_all(run.answers), example, run, seconds)

    def as_data(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {
            "mata_audio": __version__,
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("torch", "transformers", "numpy")},
            },
            "model": "tiny",
            "split": "test",
            "setting": asdict(self.setting.mata),
            "setting_origin": self.setting.origin,
            "comparisons": [comparison.as_data() for comparison in self.comparisons],
            "receipt": asdict(self.run.receipt),
            "example": asdict(self.example),
            "answers": [asdict(answer) for answer in self.run.answers],
            "seconds": round(self.seconds, 1),
        }

    def as_text(self) -> str:
        """Return everything for people, at most :data:`WIDTH` columns wide."""
        items = len(self.run.answers)
        intro = (
            f"MATA on the embedded model: {items:,} held-out questions in {self.seconds:.0f} s\n"
            f"  setting        {self.description}\n"
            f"  its origin     {self._origin()}"
        )
        blocks = [intro, table(self.comparisons), self._notes(), str(self.run.receipt)]
        return "\n\n".join([*blocks, self._example(), NEXT])

    def _origin(self) -> str:
        if self.setting.origin == "from its mata.json":
            return "chosen on the tuning split (no item shared); the paper's alpha is 0.1"
        return self.setting.origin

    def _notes(self) -> str:
        return (
            "Accuracy in %. The interval is a 95 % paired bootstrap of the difference; p is an "
            "exact\nMcNemar test of gained against lost, each row by itself. Same batches, same "
            "kernels, greedy."
        )

    def _example(self) -> str:
        example = self.example
        kind = "an answer gained" if example.mata_right and not example.baseline_right else "first"
        asked = textwrap.fill(
            example.question, WIDTH - 17, subsequent_indent=" " * 17, break_on_hyphens=False
        )
        return (
            f"Example ({kind}: {example.id}, {example.domain}, {example.condition})\n"
            f"  question       {asked}\n"
            f"  right answer   {example.answer}\n"
            f"  baseline       {example.baseline or '(empty answer)'}\n"
            f"  MATA           {example.mata or '(empty answer)'}"
        )


def table(comparisons: list[Comparison]) -> str:
    """Return the figures as aligned rows, with a line between the groups."""
    header = (
        f"{'':<20}{'items':>7}{'baseline':>10}{'MATA':>8}{'difference':>12}"
        f"{'95 % interval':>17}{'gained':>8}{'lost':>6}{'p':>10}"
    )
    rule = "-" * len(header)
    lines = [header]
    group = None
    for row in comparisons:
        if row.group != group:
            lines.append(rule)
            group = row.group
        low, high = (f"{100 * end:+.1f}" for end in row.interval)
        lines.append(
            f"{row.name:<20}{row.items:>7,}{100 * row.baseline:>10.1f}{100 * row.mata:>8.1f}"
            f"{100 * row.difference:>+12.1f}{f'{low} to {high}':>17}{row.gained:>8,}{row.lost:>6,}"
            f"{p_value(row.p):>10}"
        )
    return "\n".join(lines)


def p_value(p: float) -> str:
    """Write a p value with two significant digits; very small ones as a bound."""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"
