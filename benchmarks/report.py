"""How long a browser takes to open a report, and to filter and search its items.

Run with ``python benchmarks/report.py``; needs playwright and a Chromium. Each size is opened in
fresh pages, and the medians are printed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from mata_audio.evaluation.report import ClipMedia, render_report
from mata_audio.evaluation.results.results import (
    Accuracy,
    Answer,
    ClipHeard,
    ItemResult,
    Paired,
    Results,
    Row,
    SettingResult,
)
from mata_audio.settings.named import BASELINE

SETTINGS = (BASELINE, "mata-0.1", "mata-0.2")
DOMAINS = ("sound", "music", "speech")
WORDS = "a the bell rings twice before rain engine voice hall likely which second after louder"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")

# Time in the page, up to the frame that shows the change.
FILTER = """async () => {
    const start = performance.now();
    document.querySelector("input[name=outcome][value=gained]").click();
    await new Promise(requestAnimationFrame);
    return performance.now() - start;
}"""
SEARCH = """async () => {
    const count = document.getElementById("count");
    const box = document.querySelector("input[type=search]");
    const changed = new Promise((done) => new MutationObserver(done).observe(
        count, {childList: true, characterData: true, subtree: true}));
    const start = performance.now();
    box.value = "bell rain";
    box.dispatchEvent(new Event("input"));
    await changed;
    return performance.now() - start;
}"""


def build(items: int) -> Results:
    """Results with random texts, about as long as those of a multiple-choice benchmark."""
    draw = random.Random(items)
    vocabulary = WORDS.split()

    def text(words: int) -> str:
        return " ".join(draw.choices(vocabulary, k=words))

    made = []
    for number in range(items):
        choices = tuple(text(4) for _ in range(4))
        answers = {
            name: Answer(
                f"The answer is ({'ABCD'[right]}) {choices[right]}.", choices[right], not right
            )
            for name in SETTINGS
            for right in (draw.randrange(4),)
        }
        clip = ClipHeard(f"test-audios/{draw.getrandbits(128):032x}.wav", 12.0, 12.0)
        groups = {"domain": draw.choice(DOMAINS)}
        made.append(
            ItemResult(f"{number:06d}", text(18), choices, choices[0], groups, (clip,), answers)
        )
    figure = Accuracy(items, items // 4, 0.25, 0.22, 0.28)
    change = Paired(items, 0.25, 0.25, 0.0, -0.02, 0.02, items // 5, items // 5, 1.0, 1.0, 0.05)
    accuracy = dict.fromkeys(SETTINGS, figure)
    paired = dict.fromkeys(SETTINGS[1:], change)
    return Results(
        run={"facts": {"title": "random items"}, "identity": {"split": f"{items:,}"}},
        settings=tuple(SettingResult(name, name, None) for name in SETTINGS),
        overall=Row("", "", "all items", accuracy, paired),
        groups=tuple(Row("domain", "Domain", name, accuracy, paired) for name in DOMAINS),
        items=tuple(made),
        notes=(),
    )


def measure(browser: Browser, url: str) -> tuple[float, float, float]:
    """Seconds until items are shown, until a filter acts, and until a first search does."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(".item")
    opened = time.perf_counter() - start
    filtered, searched = page.evaluate(FILTER) / 1000, page.evaluate(SEARCH) / 1000
    page.close()
    return opened, filtered, searched


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    print("  items  file, MB  render, s  open, s  filter, s  search, s")
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        for items in arguments.sizes:
            results = build(items)
            clips = {
                item.id: [ClipMedia(clip.name, clip.name) for clip in item.clips]
                for item in results.items
            }
            start = time.perf_counter()
            text = render_report(results, clips)
            rendered = time.perf_counter() - start
            path = Path(folder) / f"{items}.html"
            path.write_text(text, encoding="utf-8")
            rounds = [measure(browser, path.as_uri()) for _ in range(arguments.rounds)]
            opened, filtered, searched = (
                statistics.median(times) for times in zip(*rounds, strict=True)
            )
            print(
                f"{items:>7,}{path.stat().st_size / 1e6:>10.1f}{rendered:>11.2f}"
                f"{opened:>9.2f}{filtered:>11.2f}{searched:>11.2f}"
            )
        browser.close()


if __name__ == "__main__":
    main()
