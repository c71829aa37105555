"""What the demo writes: pictures of its run and of the model's attention, and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.cli.progress import note

if TYPE_CHECKING:
    from torch import Tensor

    from mata_audio.evaluation.item import Dataset
    from mata_audio.evaluation.report import ClipMedia
    from mata_audio.evaluation.results.results import Results
    from mata_audio.models.loading import Loaded
    from mata_audio.settings.mata import MATA

PROFILED = 50
BATCH = 16


@dataclass(frozen=True)
class Written:
    """The files for people.

    Args:
        page: the HTML page.
        profile: the picture of attention by layer; None without Matplotlib.
        missing: what to install where there are no pictures.
    """

    page: Path
    profile: Path | None
    missing: str = ""


def write_page(
    out: Path,
    loaded: Loaded,
    mata: MATA,
    dataset: Dataset,
    prompts: Sequence[dict[str, Tensor]],
    results: Results,
    shown: str,
    clips: Sequence[Path],
) -> Written:
    """Write ``report.html``, and ``pictures`` where Matplotlib is installed.

    Args:
        out: the folder; what an earlier demo wrote there is replaced.
        loaded: the embedded model.
        mata: the setting.
        dataset: the items that were run.
        prompts: of these items, in their order.
        results: of the run.
        shown: id of the item that is drawn over time.
        clips: the items' WAV files, in their order.
    """
    from mata_audio.evaluation.report import page_pictures, render_report
    from mata_audio.pictures import MissingMatplotlibError
    from mata_audio.storage.atomic_file import write_atomically

    note("writing the page")
    results = _as_run(results, loaded, mata, dataset)
    drawn: dict[str, bytes] = {}
    missing, profile = "", None
    try:
        files = _draw(out / "pictures", loaded, mata, dataset, prompts, results, shown)
        drawn = {path.stem: path.read_bytes() for path in files if path.suffix == ".svg"}
        profile = out / "pictures" / "mass_by_layer.png"
    except MissingMatplotlibError as error:
        missing = str(error)
    page = out / "report.html"
    media = _media(results, dataset, clips, page)
    if len(media) < len(results.items):
        cut = (
            f"{len(media):,} of {len(results.items):,} clips are in this page, those of changed "
            "answers first."
        )
        results = replace(results, notes=(*results.notes, cut))
    write_atomically(page, render_report(results, media, page_pictures(drawn)))
    return Written(page, profile, missing)


def _draw(
    folder: Path,
    loaded: Loaded,
    mata: MATA,
    dataset: Dataset,
    prompts: Sequence[dict[str, Tensor]],
    results: Results,
    shown: str,
) -> list[Path]:
    from mata_audio.pictures import pictures_of_run, require_matplotlib
    from mata_audio.pictures.of_profile import attention_pictures, listening_pictures, save_all
    from mata_audio.profiling import profile
    from mata_audio.settings.named import NamedSetting

    require_matplotlib()
    setting = NamedSetting("MATA", mata)
    tokenizer = loaded.processor.tokenizer
    made = profile(loaded.model, _batches(prompts[:PROFILED]), tokenizer, setting)
    number = [item.id for item in dataset.items].index(shown)
    heard = listening_pictures(loaded, dataset.items[number], prompts[number], made, setting)
    # Its folder holds no sweep, whatever else lies there.
    answers = pictures_of_run(results, folder)
    return save_all(answers | attention_pictures(made) | heard, folder)


def _batches(prompts: Sequence[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    import torch

    from mata_audio.models.asking import same_length_batches

    return [
        {name: torch.cat([prompts[index][name] for index in batch]) for name in prompts[0]}
        for batch in same_length_batches(prompts, BATCH)
    ]


def _as_run(results: Results, loaded: Loaded, mata: MATA, dataset: Dataset) -> Results:
    """Say what a stored run would say, for the page's title and its facts."""
    from mata_audio.evaluation.tasks.tiny import Tiny

    run = {
        "identity": {"model": loaded.name, "task": dataset.task, "split": dataset.split},
        "facts": {"title": Tiny.title, "command": "mata demo"},
    }
    settings = tuple(
        setting if setting.mata is None else replace(setting, mata=asdict(mata))
        for setting in results.settings
    )
    return replace(results, run=run, settings=settings)


def _media(
    results: Results, dataset: Dataset, clips: Sequence[Path], page: Path
) -> dict[str, list[ClipMedia]]:
    """Embed the clips of changed answers, then of others, up to the report's limit."""
    from mata_audio.evaluation.data.audio_sources import FileAudio
    from mata_audio.evaluation.report.clips import EMBED, MOST_EMBEDDED, report_clips
    from mata_audio.settings.named import BASELINE

    changed = {
        item.id: item.answers["MATA"].correct != item.answers[BASELINE].correct
        for item in results.items
    }
    chosen, total = [], 0
    pairs = zip(dataset.items, clips, strict=True)
    for item, path in sorted(pairs, key=lambda pair: not changed[pair[0].id]):
        total += path.stat().st_size
        if total > MOST_EMBEDDED:
            break
        chosen.append(replace(item, audio=(FileAudio(path),)))
    return report_clips(results, replace(dataset, items=tuple(chosen)), page, EMBED)
