"""How well do the methods of ``mata choose`` choose? Held-out accuracy, regret, and cost.

python benchmarks/choosing.py tiny MODEL_FOLDER ... --out build/choosing

Every method chooses on the same tuning items. Its setting then runs on the whole test split, next
to the paper's setting, every window of layers at every alpha (regret is counted from the best of
these in hindsight) and every single layer (a method's scores are correlated with these effects).
To train other models: ``training/train_tiny.py --train-only --seed 1 --layers 16``.
"""

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from scipy.stats import spearmanr

from mata_audio import MATA
from mata_audio.cli.libraries import quiet_libraries
from mata_audio.evaluation import NamedSetting, Options, evaluate
from mata_audio.evaluation.choosing import WAYS, Choice, choose
from mata_audio.evaluation.choosing.choose import ALPHAS, all_windows, along, tuning_plan
from mata_audio.evaluation.choosing.measuring import Measuring
from mata_audio.evaluation.results.number_format import p_value, points
from mata_audio.evaluation.results.ranking import rank
from mata_audio.evaluation.results.results import Paired, Results
from mata_audio.evaluation.running.executor import loaded_model
from mata_audio.evaluation.running.plan import make_plan
from mata_audio.evaluation.sweep import grid
from mata_audio.evaluation.sweep.sweep import tuning_part
from mata_audio.families import locate
from mata_audio.methods import Method
from mata_audio.models.loading import Loaded
from mata_audio.models.prefill import prefill
from mata_audio.notation.layers import scaled_paper_layers

SINGLE_ALPHA = 2.0
"""Alpha for the single layers: at the paper's 0.1, one layer changes hardly any answer."""

PAPER = "the paper's: alpha 0.1, 10-20 scaled"
PAPER_RANGE = "10-20 scaled, alpha chosen"


@dataclass(frozen=True)
class MethodResult:
    """What one way to choose achieved on the test split."""

    model: str
    name: str
    setting: str
    accuracy: float
    paired: Paired | None
    regret: float
    correlation: float | None = None
    cost: float | None = None


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help='"tiny" or folders of trained models')
    parser.add_argument("--out", type=Path, default=Path("build/choosing"))
    parser.add_argument("--tune-items", type=int, default=1_440, help="half of them choose")
    parser.add_argument("--test-items", type=int, default=2_412)
    return parser.parse_args()


def prefill_seconds(model: Loaded, items: int) -> float:
    """Seconds to read the tuning items once, without answering."""
    plan = make_plan(model, "tiny", None, (), Options(split="tune", limit=items))
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in Measuring(tuning_plan(plan, 0.5, 0), model).batches():
            prefill(locate(model.model), batch.inputs)
    return time.perf_counter() - start


def chosen_by(model: Loaded, method: str, folder: Path, items: int) -> tuple[Choice, float | None]:
    """Return a method's choice, and the seconds it took to measure (None if already stored)."""
    seconds: list[float] = []
    known = WAYS[method]
    if known.measure is not None:

        def timed(measuring: Measuring):  # type: ignore[no-untyped-def]
            start = time.perf_counter()
            try:
                return known.measure(measuring)  # type: ignore[misc]
            finally:
                seconds.append(time.perf_counter() - start)

        WAYS[method] = replace(known, measure=timed)
    try:
        choice = choose(model, "tiny", folder / method, method, split="tune", limit=items)
    finally:
        WAYS[method] = known
    return choice, seconds[0] if seconds else None


def paper_range(model: Loaded, folder: Path, items: int, depth: int) -> Method | None:
    """Return the paper's layers with the best alpha on the tuning items; None if none gains."""
    settings = along(MATA(layers=scaled_paper_layers(depth)), ALPHAS)
    results = evaluate(
        model, "tiny", folder / "paper-range", settings=settings, split="tune", limit=items
    )
    winner = rank(results, tuning_part(_task(model), results.items, 0.5, 0)).winner
    return next((setting.method for setting in settings if setting.name == winner), None)


def _task(model: Loaded):  # type: ignore[no-untyped-def]
    return make_plan(model, "tiny", None, (), Options(limit=1)).task


def compare(path: str, options: argparse.Namespace) -> list[MethodResult]:
    """Choose by every method on one model, and measure the choices on the test split."""
    plan = make_plan(path, "tiny", None, (), Options(limit=1))
    model = loaded_model(plan)
    name = Path(path).name
    folder = options.out / name
    depth = locate(model.model).depth
    one_prefill = prefill_seconds(model, options.tune_items)
    chosen: dict[str, Method | None] = {PAPER: MATA(layers=scaled_paper_layers(depth))}
    chosen[PAPER_RANGE] = paper_range(model, folder, options.tune_items, depth)
    evidence, costs = {}, {}
    for method in WAYS:
        choice, seconds = chosen_by(model, method, folder, options.tune_items)
        print(f"{name}: {method} chose {choice.setting and choice.setting.name}", flush=True)
        chosen[method] = None if choice.setting is None else choice.setting.method
        evidence[method] = choice.evidence
        costs[method] = None if seconds is None else seconds / one_prefill
    windows = grid(alphas=ALPHAS, layers=all_windows(depth))
    singles = [
        NamedSetting(f"layer {layer}", MATA(alpha=SINGLE_ALPHA, layers=[layer]))
        for layer in range(depth)
    ]
    named = [NamedSetting(key, mata) for key, mata in chosen.items() if mata is not None]
    results = evaluate(
        model,
        "tiny",
        folder / "test",
        settings=[*named, *windows, *singles],
        split="test",
        limit=options.test_items,
    )
    row = results.overall
    best = max(windows, key=lambda setting: row.paired[setting.name].difference)
    most = row.paired[best.name].difference
    effects = [row.paired[setting.name].difference for setting in singles]
    lines = [_line(name, "best window in hindsight", best.method, best.name, results, most)]
    for key, mata in chosen.items():
        of = evidence.get(key)
        correlation = None if of is None else float(spearmanr(of.scores, effects).statistic)
        line = _line(name, key, mata, key, results, most)
        lines.append(replace(line, correlation=correlation, cost=costs.get(key)))
    return lines


def _line(
    model: str, name: str, mata: Method | None, setting: str, results: Results, most: float
) -> MethodResult:
    accuracy = results.overall.accuracy
    if mata is None:
        value = accuracy["baseline"].value
        return MethodResult(model, name, "nothing found", value, None, most)
    paired = results.overall.paired[setting]
    described = next(own.description for own in results.settings if own.name == setting)
    regret = most - paired.difference
    value = accuracy[setting].value
    return MethodResult(model, name, described, value, paired, regret)


def table(lines: list[MethodResult]) -> str:
    """Return the lines as a Markdown table; accuracy, difference and regret in points."""
    text = [
        "| model | chosen by | setting | accuracy | difference | gained / lost | p | regret "
        "| rank correlation | cost in prefills |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for line in lines:
        paired = line.paired
        effect = ("0.0", "0 / 0", "1")
        if paired is not None:
            counts = f"{paired.gained} / {paired.lost}"
            effect = (points(paired.difference), counts, p_value(paired.p))
        correlation = "" if line.correlation is None else f"{line.correlation:.2f}"
        cost = "" if line.cost is None else f"{line.cost:.1f}"
        cells = [line.model, line.name, line.setting, f"{100 * line.accuracy:.1f}", *effect]
        cells += [points(line.regret), correlation, cost]
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text)


def main() -> None:
    """Compare on every model and print one table."""
    quiet_libraries(False)
    torch.set_num_threads(1)
    options = arguments()
    lines = []
    for path in options.models:
        own = compare(path, options)
        lines += own
        written = [line.__dict__ | {"paired": line.paired and line.paired.__dict__} for line in own]
        (options.out / Path(path).name / "lines.json").write_text(json.dumps(written, indent=1))
    print(table(lines))


if __name__ == "__main__":
    main()
