"""The page in a real browser: each control, two tabs, hostile files and texts, keyboard, narrow."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from web_server import Served, served

from mata_audio.methods import Mass
from mata_audio.web.examples import EXAMPLES

pytest.importorskip("gradio", reason="needs gradio: pip install 'mata-audio[web]'")

HOSTILE = "<img src=x onerror='window.acted=1'><script>window.acted=1</script>"
RATE = 16_000


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as own:
        yield own


class Tab:
    """One tab with the page, and everything in it that should not have happened."""

    def __init__(self, context: Any, address: str) -> None:
        self.trouble: list[str] = []
        self.elsewhere: list[str] = []
        self.address = address
        self.view = context.new_page()
        self.view.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.view.on("dialog", self._refuse)
        self.view.on("request", self._note)
        self.view.goto(address)
        self.view.wait_for_selector(".lv-card")
        self.wait_for_status("Example: ")
        self.wait_for_question(EXAMPLES[0].item.question)

    def _refuse(self, dialog: Any) -> None:
        self.trouble.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def assert_harmless(self) -> None:
        assert self.view.evaluate("window.acted") is None
        assert (self.trouble, self.elsewhere) == ([], [])

    @property
    def status(self) -> str:
        return str(self.view.inner_text("#said"))

    def wait_for_status(self, part: str) -> None:
        self.view.locator("#said", has_text=part).wait_for(timeout=20_000)

    def wait_for_question(self, text: str) -> None:
        """Wait until an example has filled the fields: nobody writes into them any sooner."""
        question = self.view.get_by_label("Question", exact=True).first
        wait_until(lambda: question.input_value() == text)
        self.view.wait_for_timeout(300)  # the other fields follow at once

    def answers(self) -> list[str]:
        return [text.strip() for text in self.view.locator(".lv-words").all_inner_texts()]

    def names(self) -> list[str]:
        return [text.strip() for text in self.view.locator(".lv-answer .lv-name").all_inner_texts()]

    def bars(self) -> list[str]:
        return list(self.view.locator(".lv-first").all_inner_texts())

    def wait_for_other_bars(self, before: list[str]) -> list[str]:
        for _ in range(100):
            if self.bars() != before:
                return self.bars()
            self.view.wait_for_timeout(50)
        raise AssertionError(f"the answers stayed as they were; the page says {self.status!r}")

    def choose(self, label: str, option: str) -> None:
        self.view.get_by_label(label, exact=True).first.click()
        self.view.get_by_role("option", name=option).first.click()

    def fill(self, label: str, text: str, enter: bool = True) -> None:
        field = self.view.get_by_label(label, exact=True).first
        field.fill(text)
        if enter:
            field.press("Enter")

    def upload(self, path: Path) -> None:
        self.view.set_input_files("#own-clip input[type=file]", str(path))


Open = Callable[..., Tab]


@pytest.fixture
def open_tab(browser: Any, server: Served, request: pytest.FixtureRequest) -> Open:
    def open_tab(**options: Any) -> Tab:
        context = browser.new_context(**options)
        request.addfinalizer(context.close)
        return Tab(context, server.address)

    return open_tab


def noise(path: Path, seconds: float = 1.0, seed: int = 0) -> Path:
    samples = np.random.default_rng(seed).normal(size=int(RATE * seconds)) / 10
    soundfile.write(path, samples, RATE, format="WAV")
    return path


def test_the_first_example_is_answered_at_once_and_nothing_is_loaded_from_elsewhere(
    open_tab: Open,
) -> None:
    tab = open_tab()
    assert tab.answers() == ["low", "high"]
    text = tab.view.inner_text(".lv-card")
    assert "right answer: high" in text
    assert "attention to audio" in text
    assert "Attention shows where the model looks" in text
    tab.assert_harmless()


def test_every_control_of_a_setting_changes_the_answer(open_tab: Open, tmp_path: Path) -> None:
    tab = open_tab()
    bars = tab.bars()
    slider = tab.view.get_by_label("range slider for alpha: how much more")
    slider.focus()
    slider.press("ArrowRight")
    bars = tab.wait_for_other_bars(bars)
    assert "alpha 2.05" in tab.view.inner_text(".lv-card")
    number = tab.view.get_by_label("number input for alpha: how much more")
    number.fill("0")
    bars = tab.wait_for_other_bars(bars)
    assert bars[0] == bars[1]  # alpha 0 is the unmodified model
    number.fill("3")
    bars = tab.wait_for_other_bars(bars)
    tab.fill("Layers: 3-7, 10, paper", "5-9")
    bars = tab.wait_for_other_bars(bars)
    assert "layers 5-9" in tab.view.inner_text(".lv-card")
    tab.fill("Heads: 0-3, all", "0-1")
    bars = tab.wait_for_other_bars(bars)
    tab.choose("Formula", "absolute")
    bars = tab.wait_for_other_bars(bars)
    tab.fill("Rows: last, all, last-8", "all")
    bars = tab.wait_for_other_bars(bars)
    tab.choose("Setting", "method contrast")
    bars = tab.wait_for_other_bars(bars)
    assert not tab.view.get_by_label("Layers: 3-7, 10, paper").is_visible()
    Mass(alpha=1.5, layers="2-6").save(tmp_path / "mine.json")
    tab.view.set_input_files("input[type=file][accept*=json]", str(tmp_path / "mine.json"))
    tab.wait_for_other_bars(bars)
    tab.wait_for_status("file mine.json: mass, alpha 1.5, layers 2-6")
    tab.assert_harmless()


def test_wrong_values_say_what_is_wrong_and_the_answers_stay(
    open_tab: Open, tmp_path: Path
) -> None:
    tab = open_tab()
    bars = tab.bars()
    tab.fill("Layers: 3-7, 10, paper", "99")
    tab.wait_for_status("99")
    assert tab.view.locator("#said .wrong").count() == 1
    tab.fill("Layers: 3-7, 10, paper", HOSTILE)
    tab.wait_for_status("<img src=x")
    tab.fill("Layers: 3-7, 10, paper", "3-7", enter=False)
    tab.fill("Question", "   ", enter=False)
    tab.view.get_by_role("button", name="Ask", exact=True).click()
    tab.wait_for_status("the question is empty")
    (tmp_path / "broken.json").write_text("{")
    tab.view.set_input_files("input[type=file][accept*=json]", str(tmp_path / "broken.json"))
    tab.wait_for_status("is not a JSON settings file")
    assert tab.bars() == bars
    tab.assert_harmless()


def test_examples_by_name_and_questions_of_ones_own(open_tab: Open) -> None:
    tab = open_tab()
    tab.choose("Example", EXAMPLES[3].name)
    tab.wait_for_status(EXAMPLES[3].name)
    assert tab.answers() == ["rising", "falling"]
    assert "mass" in tab.view.get_by_label("Setting", exact=True).first.input_value()
    tab.wait_for_question(EXAMPLES[3].item.question)
    bars = tab.bars()
    tab.fill("Question", "Is the voice high or low?", enter=False)
    tab.view.get_by_role("button", name="Ask", exact=True).click()
    tab.wait_for_other_bars(bars)
    assert "Is the voice high or low?" in tab.view.inner_text(".lv-question")
    tab.assert_harmless()


def test_uploaded_clips_are_asked_about_and_not_kept(
    open_tab: Open, server: Served, tmp_path: Path
) -> None:
    tab = open_tab()
    bars = tab.bars()
    tab.upload(noise(tmp_path / "rain & more.wav"))
    bars = tab.wait_for_other_bars(bars)
    tab.wait_for_status("1.00 s")
    tab.upload(noise(tmp_path / "long.wav", seconds=5.0, seed=1))
    tab.wait_for_status("long.wav: 5.00 s; the model hears the first 2.00 s")
    for name, content, message in (
        ("empty.wav", b"", "empty.wav"),
        ("broken.wav", b"RIFF\0\0\0\0WAVEfmt nothing", "broken.wav cannot be decoded as audio"),
        ("page.wav", HOSTILE.encode(), "page.wav cannot be decoded as audio"),
    ):
        (tmp_path / name).write_bytes(content)
        tab.upload(tmp_path / name)
        tab.wait_for_status(message)
        assert tab.view.locator("#said .wrong").count() == 1
    with soundfile.SoundFile(tmp_path / "hour.flac", "w", 8_000, 1) as file:
        for _ in range(61):
            file.write(np.zeros(8_000 * 60))
    tab.upload(tmp_path / "hour.flac")
    tab.wait_for_status("too long: 3,660 s (61 minutes)")
    assert "long.wav" in tab.view.inner_text(".lv-facts")  # the last good clip is still there
    assert server.files() == []
    tab.assert_harmless()


def test_a_clip_without_an_answer_hides_those_of_the_clip_before(
    open_tab: Open, server: Served, tmp_path: Path
) -> None:
    tab = open_tab()
    tab.fill("Layers: 3-7, 10, paper", "99", enter=False)
    tab.upload(noise(tmp_path / "new.wav"))
    tab.wait_for_status("new.wav: 1.00 s. But")
    tab.view.locator(".lv-card").wait_for(state="hidden")
    tab.fill("Layers: 3-7, 10, paper", "3-7")
    tab.view.locator(".lv-card").wait_for(state="visible")
    assert "new.wav" in tab.view.inner_text(".lv-facts")
    tab.fill("Question", "", enter=False)
    tab.upload(noise(tmp_path / "third.wav", seed=3))
    tab.wait_for_status("third.wav: 1.00 s. Now ask a question about it.")
    tab.view.locator(".lv-card").wait_for(state="hidden")
    assert server.files() == []


def test_a_recording_is_a_clip(open_tab: Open, server: Served) -> None:
    tab = open_tab(permissions=["microphone"])
    bars = tab.bars()
    tab.view.get_by_label("Record audio").click()
    tab.view.get_by_role("button", name="Record", exact=True).click()
    tab.view.wait_for_timeout(1_200)
    tab.view.get_by_role("button", name="Stop", exact=True).first.click()
    tab.wait_for_status("audio.wav: ")
    tab.wait_for_other_bars(bars)
    assert "audio.wav" in tab.view.inner_text(".lv-facts")
    assert server.files() == []
    tab.assert_harmless()


def test_uploads_that_are_too_large_never_reach_the_model(
    open_tab: Open, server: Served, tmp_path: Path
) -> None:
    tab = open_tab()
    (tmp_path / "large.wav").write_bytes(b"\0" * 1_200_000)
    tab.upload(tmp_path / "large.wav")
    tab.view.get_by_text(re.compile("exceed|too large|maximum", re.IGNORECASE)).first.wait_for()
    assert tab.answers() == ["low", "high"]
    assert server.files() == []


@pytest.mark.parametrize("name", ["<b>bold<b>.wav", "&quot;onload=alert(1).wav", "\u202egnp.wav"])
def test_hostile_names_and_questions_are_text(open_tab: Open, tmp_path: Path, name: str) -> None:
    tab = open_tab()
    bars = tab.bars()
    tab.upload(noise(tmp_path / name))
    tab.wait_for_other_bars(bars)
    tab.fill("Question", f"{HOSTILE} What do you hear?", enter=False)
    tab.fill("Choices, one a line (may be empty)", HOSTILE, enter=False)
    tab.view.get_by_role("button", name="Ask", exact=True).click()
    tab.wait_for_status("answered in")
    assert HOSTILE in tab.view.inner_text(".lv-question")
    tab.assert_harmless()


def test_a_word_is_chosen_and_the_map_moves_the_timeline(open_tab: Open) -> None:
    tab = open_tab()
    word = tab.view.locator(".lv-words button").nth(1)
    word.click()
    assert word.get_attribute("aria-pressed") == "true"
    assert "Where “high” listens" in tab.view.inner_text(".lv-over")
    assert "mean over layers 3-7 and all heads" in tab.view.inner_text(".lv-over")
    tab.view.get_by_role("button", name="All layers and heads").click()
    tab.view.locator(".lv-over", has_text="mean over all layers and all heads").wait_for()
    assert word.get_attribute("aria-pressed") == "true"
    tab.assert_harmless()


def test_a_stretch_is_silenced_and_heard_again(open_tab: Open) -> None:
    tab = open_tab()
    for label, value in (("from", "0.10"), ("to", "0.90")):
        field = tab.view.locator(f".lv-marking label:has-text('{label}') input")
        field.fill(value)
        field.press("Tab")
    tab.view.get_by_role("button", name="Silence it").click()
    tab.wait_for_status("asked again with 0.10 to 0.90 s silent")
    assert len(tab.answers()) == 4
    tab.view.get_by_role("button", name="Hear it again").click()
    tab.wait_for_status("the whole clip is heard")
    assert tab.answers() == ["low", "high"]
    tab.assert_harmless()


def test_the_saved_page_works_from_a_file_without_a_network(
    open_tab: Open, browser: Any, tmp_path: Path
) -> None:
    tab = open_tab()
    with tab.view.expect_download() as download:
        tab.view.get_by_role("button", name="Save as a page").click()
    path = tmp_path / "saved.html"
    download.value.save_as(path)
    context = browser.new_context(offline=True)
    saved = context.new_page()
    trouble: list[str] = []
    saved.on("console", lambda message: trouble.append(message.text))
    saved.on("request", lambda own: trouble.extend([own.url] * own.url.startswith("http")))
    saved.goto(path.as_uri())
    saved.wait_for_selector(".lv-card")
    texts = [text.strip() for text in saved.locator(".lv-words").all_inner_texts()]
    assert texts == tab.answers()
    saved.locator(".lv-words button").first.click()
    assert "Where “low” listens" in saved.inner_text(".lv-over")
    assert trouble == []
    context.close()


def test_two_tabs_never_see_each_others_clips(
    open_tab: Open, server: Served, tmp_path: Path
) -> None:
    one, two = open_tab(), open_tab()
    for tab, name, seed in ((one, "mine.wav", 1), (two, "yours.wav", 2)):
        bars = tab.bars()
        tab.upload(noise(tmp_path / name, seed=seed))
        tab.wait_for_other_bars(bars)
    assert "mine.wav" in one.view.inner_text(".lv-facts")
    assert "yours.wav" in two.view.inner_text(".lv-facts")
    assert one.bars() != two.bars()
    number = one.view.get_by_label("number input for alpha: how much more")
    bars = one.bars()
    number.fill("1")
    one.wait_for_other_bars(bars)
    assert "mine.wav" in one.view.inner_text(".lv-facts")
    assert "yours.wav" not in one.view.content()
    assert "mine.wav" not in two.view.content()


def test_a_closed_tab_is_forgotten(open_tab: Open, server: Served) -> None:
    wait_until(lambda: len(server.visits) == 0)  # tabs of the tests before
    tab = open_tab()
    assert len(server.visits) == 1
    tab.view.close()
    wait_until(lambda: len(server.visits) == 0)


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come true within 20 seconds")


def test_one_question_at_a_time_and_the_others_see_the_queue(
    open_tab: Open, server: Served
) -> None:
    one, two = open_tab(), open_tab()
    turn = server.asker._turn
    turn.acquire()
    try:
        for tab in (one, two):
            tab.view.get_by_role("button", name="Ask", exact=True).click()
            tab.view.wait_for_timeout(300)
        queue = two.view.get_by_text(re.compile(r"queue: \d/\d")).first
        queue.wait_for(timeout=10_000)
        drawn = Image.open(io.BytesIO(two.view.screenshot(clip=queue.bounding_box())))
        assert min(drawn.convert("L").tobytes()) < 128  # and nothing hides it
    finally:
        turn.release()
    for tab in (one, two):
        tab.wait_for_status("answered in")


def test_a_job_that_crashes_leaves_the_page_working(
    open_tab: Open, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = open_tab()
    ask = tab.view.get_by_role("button", name="Ask", exact=True)
    with monkeypatch.context() as broken:

        def crash(*_: Any, **__: Any) -> None:
            raise RuntimeError(f"out of memory {HOSTILE}")

        broken.setattr(server.asker, "answer", crash)
        ask.click()
        tab.wait_for_status("unexpected: RuntimeError: out of memory")
    assert tab.answers() == ["low", "high"]
    ask.click()
    tab.wait_for_status("answered in")
    tab.assert_harmless()


def test_with_the_keyboard_only(open_tab: Open) -> None:
    tab = open_tab()
    keyboard = tab.view.keyboard
    reached: list[str] = []
    described = (
        "(e => e.getAttribute('aria-label') || e.innerText || e.closest('label')?.innerText || "
        "e.tagName)(document.activeElement)"
    )
    for _ in range(60):
        keyboard.press("Tab")
        reached.append(str(tab.view.evaluate(described)).strip())
        if reached[-1] == "All layers and heads":
            break
    for name in ("Ask", "Save as a page", "Play", "low", "All layers and heads"):
        assert any(name in own for own in reached), f"{name} cannot be reached: {reached}"
    question = tab.view.get_by_label("Question", exact=True).first
    question.focus()
    keyboard.press("Tab")
    keyboard.press("Tab")
    assert tab.view.evaluate(described).strip() == "Ask"
    keyboard.press("Enter")
    tab.wait_for_status("answered in")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_windows_light_and_dark(open_tab: Open, scheme: str) -> None:
    tab = open_tab(viewport={"width": 420, "height": 900}, color_scheme=scheme)
    root = "document.documentElement"
    assert tab.view.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
    card = tab.view.evaluate("getComputedStyle(document.querySelector('.lv-card')).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", card)[:3])) > 3 * 128
    assert light == (scheme == "light")
    tab.assert_harmless()


@pytest.mark.parametrize(
    ("name", "detail", "message"),
    [
        ("choose", {"layers": [10_000], "heads": None}, "ask a question first"),
        ("choose", "nothing", "ask a question first"),
        ("silence", {"start": "0", "end": None}, "mark a stretch first"),
        ("silence", {"start": -5, "end": 1e9}, "ask a question first"),
        ("silence", ["a"], "mark a stretch first"),
    ],
)
def test_what_might_be_sent_by_hand_is_refused(
    server: Served, name: str, detail: object, message: str
) -> None:
    """The events of the view come from the browser, so anything may be in them."""
    httpx = pytest.importorskip("httpx")
    api = f"{server.address}gradio_api"
    config = httpx.get(f"{server.address}config").json()
    index = next(
        own["id"] for own in config["dependencies"] if any(t[1] == name for t in own["targets"])
    )
    sent = {"data": [], "event_data": detail, "fn_index": index, "session_hash": f"hand-{name}"}
    httpx.post(f"{api}/queue/join", json=sent).raise_for_status()
    events = httpx.get(f"{api}/queue/data", params={"session_hash": f"hand-{name}"}).text
    assert message in events


def test_files_of_the_machine_cannot_be_named(server: Served, tmp_path: Path) -> None:
    """Neither read over the server, nor given to it as if they were uploads."""
    httpx = pytest.importorskip("httpx")
    secret = noise(tmp_path / "secret.wav")
    api = f"{server.address}gradio_api"
    assert httpx.get(f"{api}/file={secret}").status_code in (403, 404)
    config = httpx.get(f"{server.address}config").json()
    dependency = next(
        own for own in config["dependencies"] if any(t[1] == "upload" for t in own["targets"])
    )
    file = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    data = [file] + [None] * (len(dependency["inputs"]) - 1)
    sent = {"data": data, "fn_index": dependency["id"], "session_hash": "hand-file"}
    answer = httpx.post(f"{api}/queue/join", json=sent)
    events = httpx.get(f"{api}/queue/data", params={"session_hash": "hand-file"}).text
    assert answer.status_code >= 400 or '"success":false' in events
    assert secret.exists()
    assert "secret.wav" not in server.visits.of("hand-file").name
