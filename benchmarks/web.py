"""How long a change of alpha takes on the page of ``mata web``: on the server, and in a browser.

Run with ``python benchmarks/web.py``. Each round moves alpha once from the kept prompt and asks
once afresh, in turn; the ratio is of the medians. The browser's figure is from the input to the
frame with the new answer; it needs playwright and a Chromium, and is left out without them.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from contextlib import suppress
from dataclasses import replace

from mata_audio import MATA
from mata_audio.cli.libraries import use_one_thread
from mata_audio.tiny import MODEL_PATH
from mata_audio.web.serving import private_folder

ALPHAS = [0.5 + 0.1 * step for step in range(30)]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")

CHANGE = """async (alpha) => {
    const field = document.querySelector("input[aria-label^='number input for alpha']");
    const drawn = new Promise((done) => new MutationObserver(() => requestAnimationFrame(done))
        .observe(document.querySelector(".lv-answers"), {childList: true, subtree: true}));
    const start = performance.now();
    field.value = alpha;
    field.dispatchEvent(new Event("input", {bubbles: true}));
    await drawn;
    return performance.now() - start;
}"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="changes of alpha")
    rounds = parser.parse_args().rounds
    with private_folder():
        server(rounds)
        browser(rounds)


def server(rounds: int) -> None:
    """Time a change and a fresh question without a browser, in turn."""
    from mata_audio.asking import Asker
    from mata_audio.models.loading import load
    from mata_audio.web.examples import EXAMPLES
    from mata_audio.web.listening import Listening
    from mata_audio.web.visits import Visit

    use_one_thread()
    loaded = load("tiny", device="cpu")
    own, question = MATA.load(MODEL_PATH / "mata.json"), EXAMPLES[0].item.question
    kept, visit = Listening(Asker(loaded), 64), Visit()
    kept.take_example(visit, EXAMPLES[0])
    kept.ask(visit, question, [], own)
    moved, fresh = [], []
    for alpha in (ALPHAS * rounds)[:rounds]:
        method = replace(own, alpha=alpha)
        moved.append(timed(lambda: kept.ask(visit, question, [], method)))  # noqa: B023
        again, other = Listening(Asker(loaded), 64), Visit()
        again.take_example(other, EXAMPLES[0])
        fresh.append(timed(lambda: again.ask(other, question, [], method)))  # noqa: B023
    show("a change of alpha, on the server", moved)
    show("the same question afresh, both answers", fresh)
    print(f"change / fresh: {statistics.median(moved) / statistics.median(fresh):.2f}")


def browser(rounds: int) -> None:
    """Time a change in a browser, from the input to the drawn answer."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        print("in a browser: left out (needs playwright and a Chromium)")
        return
    from mata_audio.asking import Asker
    from mata_audio.models.loading import load
    from mata_audio.web.listening import Listening
    from mata_audio.web.page import build_page
    from mata_audio.web.serving import serve
    from mata_audio.web.starting_points import starting_points
    from mata_audio.web.visits import Visits

    loaded = load("tiny", device="cpu")
    points = starting_points(loaded, MODEL_PATH)
    page = build_page(Listening(Asker(loaded), 64), points, Visits())
    address, _ = serve(page, "127.0.0.1", None, 8)
    with sync_playwright() as driver, suppress(KeyboardInterrupt):
        opened = driver.chromium.launch(executable_path=program, args=FLAGS)
        view = opened.new_page()
        view.goto(address)
        view.wait_for_selector(".lv-card")
        view.wait_for_timeout(1_000)
        seconds = [view.evaluate(CHANGE, alpha) / 1000 for alpha in (ALPHAS * rounds)[:rounds]]
        show("a change of alpha, from input to drawn answer in a browser", seconds)
        opened.close()
    page.close(verbose=False)


def timed(act: object) -> float:
    """Return how long a call takes, in seconds."""
    start = time.perf_counter()
    act()  # type: ignore[operator]
    return time.perf_counter() - start


def show(what: str, seconds: list[float]) -> None:
    """Print a median and a maximum."""
    milliseconds = [1000 * own for own in seconds]
    print(f"{what}: {statistics.median(milliseconds):.0f} ms (most {max(milliseconds):.0f} ms)")


if __name__ == "__main__":
    main()
