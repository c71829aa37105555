"""The tables of the paper (MATA, arXiv 2509.18816) as data: its figures, models and settings.

All figures are the paper's own, in percent, as published; none was measured by this project.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mata_audio.methods.mata import MATA
from mata_audio.notation.layers import scaled_layers
from mata_audio.settings.named import NamedSetting

ARXIV: Final = "2509.18816"
MATA_NAME: Final = "MATA"
"""Name of the paper's own setting (alpha 0.1, layers 10-20 of 28) in every run."""


@dataclass(frozen=True)
class PublishedAccuracy:
    """The paper's accuracies in percent; None, or no group, if it gives no number."""

    average: float | None
    groups: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PaperModel:
    """A model of the paper.

    Args:
        key: name for ``--model`` and ``--only``.
        title: name shown to people.
        hub: hub id.
        template: prompt template; fixed, because the files may be in a folder of any name.
        model_type: start of the ``model_type`` in its configuration.
        packages: optional packages that its processor needs.
    """

    key: str
    title: str
    hub: str
    template: str
    model_type: str
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ablation:
    """One row of an ablation.

    Args:
        name: the setting in words.
        alpha: strength.
        layers: layers of the paper's 28; None for the published ones.
        average: the paper's figure; None if it gives none.
        finding: the paper's words; empty if it has none.
    """

    name: str
    alpha: float = 0.1
    layers: range | None = None
    average: float | None = None
    finding: str = ""

    def setting(self, depth: int) -> NamedSetting:
        """Return the setting for a decoder of ``depth`` layers, at the same relative depth."""
        layers = None if self.layers is None else scaled_layers(self.layers, depth)
        return NamedSetting(self.name, MATA(alpha=self.alpha, layers=layers))


@dataclass(frozen=True)
class PaperTable:
    """One model on one split of one benchmark.

    Args:
        model: the model.
        task: name of the task.
        split: the task's split.
        benchmark: task and split, for people.
        baseline: the paper's figures without MATA.
        mata: the paper's figures with MATA.
        release: start of the name of the paper's data release; None if the paper names none.
        ablations: further settings on the same items.
        reference: another figure that the paper compares with these, in words.
    """

    model: PaperModel
    task: str
    split: str
    benchmark: str
    baseline: PublishedAccuracy
    mata: PublishedAccuracy
    release: str | None = None
    ablations: tuple[Ablation, ...] = ()
    reference: str = ""

    @property
    def key(self) -> str:
        """Name of the run's folder."""
        return f"{self.model.key}-{self.task}-{self.split}"

    @property
    def title(self) -> str:
        """Model and benchmark, for people."""
        return f"{self.model.title} on {self.benchmark}"

    def settings(self, depth: int, ablations: bool = True) -> tuple[NamedSetting, ...]:
        """Return the settings to compare with the baseline on a decoder of ``depth`` layers."""
        more = self.ablations if ablations else ()
        return (NamedSetting(MATA_NAME, MATA()), *(each.setting(depth) for each in more))


_OMNI: Final = ("qwen2_5_omni", ("torchvision",))

QWEN2_AUDIO: Final = PaperModel(
    "qwen2-audio",
    "Qwen2-Audio-7B-Instruct",
    "Qwen/Qwen2-Audio-7B-Instruct",
    "r1-aqa",
    "qwen2_audio",
)
QWEN_OMNI: Final = PaperModel(
    "qwen2.5-omni", "Qwen2.5-Omni-7B", "Qwen/Qwen2.5-Omni-7B", "qwen2.5-omni", *_OMNI
)
KE_OMNI_R: Final = PaperModel("ke-omni-r", "Ke-Omni-R-7B", "KE-Team/Ke-Omni-R", "ke-omni-r", *_OMNI)
MODELS: Final = {model.key: model for model in (QWEN2_AUDIO, QWEN_OMNI, KE_OMNI_R)}

ABLATIONS: Final = (
    Ablation("layers 0-10", layers=range(11), average=0.9, finding="collapse"),
    Ablation("layers 20-27", layers=range(20, 28), finding="no gain (written 20-28)"),
    Ablation("layers 10-19 (10-20 read as half-open)", layers=range(10, 20)),
    Ablation("alpha 0.05", alpha=0.05, finding="too weak"),
    Ablation("alpha 0.15", alpha=0.15, finding="worse than alpha 0.10"),
)

MMAU_RELEASE: Final = "MMAU v05.15.25"


def _mmau(
    model: PaperModel,
    split: str,
    baseline: Sequence[float],
    mata: Sequence[float],
    ablations: tuple[Ablation, ...] = (),
) -> PaperTable:
    """Return a table on MMAU; its accuracies are the average, then those by group."""
    before, after = [
        PublishedAccuracy(average, dict(zip(("sound", "music", "speech"), groups, strict=True)))
        for average, *groups in (baseline, mata)
    ]
    return PaperTable(model, "mmau", split, f"MMAU {split}", before, after, MMAU_RELEASE, ablations)


def _mmar(model: PaperModel, baseline: float, mata: float, reference: str = "") -> PaperTable:
    published = PublishedAccuracy(baseline), PublishedAccuracy(mata)
    return PaperTable(model, "mmar", "test", "MMAR", *published, reference=reference)


TABLES: Final = (
    _mmau(QWEN_OMNI, "test-mini", (71.1, 77.8, 64.7, 70.9), (73.6, 79.9, 68.3, 72.7), ABLATIONS),
    _mmau(QWEN2_AUDIO, "test-mini", (59.4, 67.1, 55.8, 55.4), (64.8, 71.2, 61.4, 61.8)),
    _mmau(QWEN_OMNI, "test", (71.0, 76.8, 67.3, 68.9), (73.7, 76.6, 67.5, 77.3)),
    _mmau(QWEN2_AUDIO, "test", (57.3, 64.7, 53.9, 53.1), (57.3, 64.7, 53.1, 53.9)),
    _mmar(QWEN_OMNI, 56.6, 61.2),
    _mmar(KE_OMNI_R, 64.1, 66.8, reference="Gemini 2.0 Flash: 65.6"),
)

_MMAU: Final = "questions and audio of v05.15.25 from https://github.com/Sakshi113/MMAU, or "
_DOWNLOAD: Final = "hf download {} --repo-type dataset --local-dir FOLDER; then --data {}=FOLDER"
DATA_ADVICE: Final = {
    "mmau-test-mini": _MMAU + _DOWNLOAD.format("gamma-lab-umd/MMAU-test-mini", "mmau"),
    "mmau-test": _MMAU + _DOWNLOAD.format("gamma-lab-umd/MMAU-test", "mmau-test"),
    "mmar-test": _DOWNLOAD.format("BoJack/MMAR", "mmar"),
}
"""How to get the data of each task and split."""
