"""Train, choose, test and write the embedded audio language model: one seeded command.

python training/train_tiny.py --out src/mata_audio/tiny/model
"""

import argparse
import json
import time
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import (
    AutoProcessor,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
)

import sizes
from batches import ClipPool
from build import LAYERS, build_model, build_processor
from choose_setting import search
from evaluate import compare_groups, generate_correct, prepare
from features import clip_features
from mata_audio.settings.named import NamedSetting, save_setting
from mata_audio.tiny import make_items
from model_card import CardFigures, write_card
from stages import train_encoder, train_language

RECORD = "training.json"


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layers", type=int, default=LAYERS, help="depth of the decoder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--train-only", action="store_true", help="write the model only: choose and test nothing"
    )
    parser.add_argument(
        "--evaluate-only", action="store_true", help="choose and test again with the model in --out"
    )
    return parser.parse_args()


def save(
    out: Path, model: Qwen2AudioForConditionalGeneration, processor: Qwen2AudioProcessor
) -> None:
    """Write model and processor as ``from_pretrained`` reads them."""
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    processor.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)


def train(seed: int, layers: int, threads: int, out: Path) -> None:
    """Run both training stages from scratch and write the model to ``out``."""
    started = time.monotonic()
    processor = build_processor()
    model = build_model(processor, seed, layers)
    clips = [item.clip for item in make_items("train", sizes.TRAIN_CLIPS, seed=seed)]
    features, frames = clip_features(clips, processor.feature_extractor)
    pool = ClipPool(clips, features, frames)
    train_encoder(model, pool, sizes.ENCODER_STEPS, seed, tqdm.write)
    heard = pool.first(sizes.LANGUAGE_CLIPS)
    plan = train_language(
        model, processor, heard, sizes.LANGUAGE_MIX, sizes.LANGUAGE_STEPS, seed, tqdm.write
    )
    for step in plan:
        if step == sizes.STOP_AFTER:
            break
    save(out, model, processor)
    minutes = round((time.monotonic() - started) / 60, 1)
    record = {"seed": seed, "layers": layers, "threads": threads, "minutes": minutes}
    (out / RECORD).write_text(json.dumps(record) + "\n", encoding="utf-8")
    tqdm.write(f"trained in {minutes} minutes")


def evaluate(out: Path) -> CardFigures:
    """Choose the setting on the tune split, write ``mata.json``, measure on the test split."""
    processor = AutoProcessor.from_pretrained(out)
    model = Qwen2AudioForConditionalGeneration.from_pretrained(out).eval()
    tune = prepare(processor, make_items("tune", sizes.TUNE_ITEMS))
    trials = search(model, processor, tune, tqdm.write)
    chosen = trials[0].setting
    tuned = NamedSetting("MATA", chosen, tuned_on={"task": "tiny", "split": "tune"})
    save_setting(tuned, out / "mata.json")

    test = prepare(processor, make_items("test", sizes.TEST_ITEMS))
    baseline = generate_correct(model, processor, test)
    tested = {}
    for name, setting in (("paper", sizes.PAPER), ("chosen", chosen)):
        with setting(model) as applied:
            steered = generate_correct(model, processor, test)
        tqdm.write(str(applied.receipt))
        tested[name] = compare_groups(test.items, baseline, steered)
    return CardFigures(
        training=json.loads((out / RECORD).read_text(encoding="utf-8")),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        trials=trials,
        tested=tested,
    )


def main() -> None:
    """Train, save, choose the setting on the tune split, report on the test split."""
    options = arguments()
    torch.set_num_threads(options.threads)
    if not options.evaluate_only:
        train(options.seed, options.layers, options.threads, options.out)
    if options.train_only:
        return
    started = time.monotonic()
    write_card(options.out, evaluate(options.out))
    tqdm.write(f"chosen and tested in {(time.monotonic() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
