"""What the demo shows, as text and as data, from one object."""

from __future__ import annotations

import platform
import textwrap
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from mata_audio.cli.commands.demo_page import Written
from mata_audio.cli.options.setting import ChosenSetting
from mata_audio.evaluation.results.results import ItemResult, Results
from mata_audio.evaluation.results.tables import as_text
from mata_audio.settings.named import BASELINE
from mata_audio.steering.receipt import Receipt

WIDTH = 100

NEXT = """\
Next
  mata demo --items 200 --alpha 0.1 --layers paper --heads all     the paper's setting, here
  mata demo --items 200 --keep clips                               keep the clips, then:
  mata ask tiny "Which sound is this?" --audio clips/tiny-test-0-000000.wav
  mata eval --model tiny --task tiny --out runs/tiny               the same, kept and resumable
  mata report runs/tiny                                            its page
  mata ask Qwen/Qwen2-Audio-7B-Instruct "What do you hear?" --audio YOUR.wav"""


@dataclass(frozen=True)
class Report:
    """The results of one demo run.

    Args:
        setting: what was compared with the baseline, and where it comes from.
        results: figures by condition, by domain and of all items, and every answer.
        receipt: what MATA did.
        seconds: from the start of the command.
    """

    setting: ChosenSetting
    results: Results
    receipt: Receipt
    seconds: float

    @property
    def example(self) -> ItemResult:
        """One item with both answers; a gained one where there is one."""
        items = self.results.items
        return next((item for item in items if _gained(item)), items[0])

    def as_data(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {
            "mata_audio": version("mata-audio"),
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("torch", "transformers", "numpy")},
            },
            "model": "tiny",
            "split": "test",
            "setting": asdict(self.setting.mata),
            "setting_origin": self.setting.origin,
            "overall": asdict(self.results.overall),
            "groups": [asdict(row) for row in self.results.groups],
            "receipt": asdict(self.receipt),
            "example": self.example.id,
            "items": [asdict(item) for item in self.results.items],
            "seconds": round(self.seconds, 1),
        }

    def as_text(self, written: Written) -> str:
        """Return everything for people, at most :data:`WIDTH` columns wide but for paths."""
        intro = (
            f"MATA on the embedded model: {len(self.results.items):,} held-out questions in "
            f"{self.seconds:.0f} s\n  its setting    {self._origin()}"
        )
        blocks = [intro, as_text(self.results), self._notes(), str(self.receipt)]
        return "\n\n".join([*blocks, self._example(), _files(written), NEXT])

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
        kind = "an answer gained" if _gained(example) else "first"
        asked = textwrap.fill(
            example.question, WIDTH - 17, subsequent_indent=" " * 17, break_on_hyphens=False
        )
        return (
            f"Example ({kind}: {example.id}, {', '.join(example.groups.values())})\n"
            f"  question       {asked}\n"
            f"  right answer   {example.answer}\n"
            f"  baseline       {example.answers[BASELINE].read or '(empty answer)'}\n"
            f"  MATA           {example.answers['MATA'].read or '(empty answer)'}"
        )


def _files(written: Written) -> str:
    picture = f"none: {written.missing}" if written.profile is None else str(written.profile)
    return (
        "To look at\n"
        f"  attention      {picture}\n"
        f"  everything     {written.page}, a page with pictures, every answer and the clips"
    )


def _gained(item: ItemResult) -> bool:
    return bool(item.answers["MATA"].correct) and not item.answers[BASELINE].correct
