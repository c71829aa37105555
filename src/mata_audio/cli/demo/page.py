"""The demo's page and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mata_audio.cli.demo.example import example_data, example_sentence, shown_setting
from mata_audio.cli.demo.own_files import OwnFiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mata_audio.evaluation.results.results import ItemResult, Results
    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.models.loading import Loaded

PAGE = "report.html"
PICTURES = ("accuracy", "gained_and_lost", "mass_by_layer", "layer_head_map")
FORMS = ("svg", "png")
FILES = (PAGE, *(f"pictures/{name}.{form}" for name in PICTURES for form in FORMS))
"""All that the demo writes."""

PROFILED = 50
"""Items that the attention pictures are averaged over."""
BATCH = 64
MOST_SOUND = 5 * 2**20
"""Bytes of clips in the page, so that it stays below 10 MB."""


def write_page(
    files: OwnFiles, plan: Plan, loaded: Loaded, results: Results, example: ItemResult
) -> str:
    """Write the page, and pictures beside it; return the path of one, or why there are none."""
    from mata_audio.errors import SettingsError
    from mata_audio.evaluation.report import Opening, page_pictures, render_report, report_clips
    from mata_audio.pictures import MissingMatplotlibError

    drawn: dict[str, bytes] = {}
    picture = str(files.folder / "pictures" / "mass_by_layer.png")
    try:
        drawn = _save(files, _of_answers(results))
        drawn |= _save(files, _of_attention(plan, loaded))
    except (MissingMatplotlibError, SettingsError) as error:
        picture = f"none: {error}"
    shown = shown_setting(example, plan).name
    opening = Opening(
        sentence=example_sentence(example, shown, results),
        view=example_data(example, results, plan, loaded),
    )
    clips = report_clips(results, plan.dataset, files.folder / PAGE, "some", MOST_SOUND)
    page = render_report(results, clips, page_pictures(drawn), opening)
    files.save(PAGE, page.encode())
    return picture


def _save(files: OwnFiles, figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Write figures in each form; return the SVG by name."""
    from mata_audio.pictures import content

    drawn = {}
    for name, figure in figures.items():
        contents = {form: content(figure, form) for form in FORMS}
        for form, own in contents.items():
            files.save(f"pictures/{name}.{form}", own)
        drawn[name] = contents["svg"]
    return drawn


def _of_answers(results: Results) -> dict[str, Figure]:
    from mata_audio.pictures import pictures_of_run, require_matplotlib

    require_matplotlib()
    return pictures_of_run(results)


def _of_attention(plan: Plan, loaded: Loaded) -> dict[str, Figure]:
    """Draw the mean attention of some items.

    Raises:
        SettingsError: the setting cannot be profiled.
    """
    from mata_audio.evaluation.running.batch_limit import BatchLimit
    from mata_audio.evaluation.running.batches import prepared_batches
    from mata_audio.evaluation.running.stacking import stacked
    from mata_audio.pictures import layer_head_map, mass_by_layer
    from mata_audio.profiling import profile

    limit = BatchLimit(prompts=BATCH)
    prepared = prepared_batches(
        plan, loaded, plan.items[:PROFILED], lambda: limit, lambda failed: None
    )
    inputs = (stacked(batch, loaded) for batch in prepared)
    found = profile(loaded.model, inputs, loaded.processor.tokenizer, plan.settings[1:])
    return {"mass_by_layer": mass_by_layer(found), "layer_head_map": layer_head_map(found)}
