"""The listening view under hostile texts, on narrow windows, in the dark, and with much data."""

from __future__ import annotations

import re
from typing import Any

import pytest
from heard_answers import large, small
from viewed import Show, Viewed

from mata_audio.settings.colours import BASELINE_COLOUR, COLOURS, in_the_dark

HOSTILE = [
    "<script>window.acted = 1</script>",
    "</script><img src=x onerror='window.acted = 1'>",
    '" onmouseover="window.acted = 1" x=\'',
    "javascript:window.acted=1",
    "שלום \u202e abc \u2066 עולם",
    "👩‍👩‍👧‍👦 e\u0301\u0302 \u2028 \ufeff",
    "x" * 400,
    "{{ 7 * 7 }} ${7 * 7}",
    "__proto__",
]


def hostile(text: str) -> dict[str, Any]:
    """The view with a text in every place where one can stand."""
    data = small(question=text, right=text, note=text)
    data["clip"]["name"] = text
    for answer in data["answers"]:
        answer.update(
            name=text, description=text, receipt=text, text=text,
            words=[f" {text}" for _ in answer["words"]],
            first_words=[[text, 0.5], ["constructor", 0.1]],
        )  # fmt: skip
    silent = {name: [] for name in ("starts", "ends", "by_word", "map", "maps", "words")}
    data["answers"].append(
        {**data["answers"][1], **silent, "kind": "probe-steered", "why_not": text}
    )
    return data


def use(own: Viewed) -> None:
    """Touch every control."""
    own.view.locator(".lv-word").first.click()
    own.view.mouse.move(*own.at(0.4))
    own.view.get_by_role("button", name="Zoom in").click()
    own.view.get_by_role("slider").press("ArrowRight")
    cells = own.view.locator(".lv-cells").first
    cells.scroll_into_view_if_needed()
    cells.click()
    own.view.get_by_role("button", name="All layers and heads").click()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_only_text(show: Show, text: str) -> None:
    own = show(hostile(text), viewport={"width": 420, "height": 900})
    use(own)
    own.view.wait_for_timeout(50)
    assert own.view.locator(".lv-question").text_content() == text
    assert own.view.locator(".lv-plain").text_content() == text
    assert own.view.locator(".lv-word").first.text_content() == text.strip(" \u2028\ufeff")
    assert own.view.locator(".listening-view img, .listening-view script").count() == 0
    own.page.assert_no_wider_than_the_window()
    own.page.assert_harmless()


@pytest.mark.parametrize("width", [320, 420, 700, 1000, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(show: Show, width: int, scheme: str) -> None:
    data = small()
    for kind in ("probe-baseline", "probe-steered"):
        data["answers"].append({**data["answers"][1], "kind": kind, "name": kind})
    own = show(data, viewport={"width": width, "height": 900}, color_scheme=scheme)
    use(own)
    own.page.assert_no_wider_than_the_window()
    card = own.view.locator(".lv-card").bounding_box()
    for part in ("button", "input", ".lv-cells", ".lv-scroller", "p", "h3"):
        for box in own.view.locator(f".lv-card {part}:visible").all():
            found = box.bounding_box()
            assert found["x"] >= card["x"] - 1
            assert found["x"] + found["width"] <= card["x"] + card["width"] + 1
    own.page.assert_harmless()


def test_narrow_windows_stack_the_answers(show: Show) -> None:
    own = show(viewport={"width": 420, "height": 900})
    first, second = (own.view.locator(".lv-answer").nth(n).bounding_box() for n in (0, 1))
    assert first["y"] + first["height"] <= second["y"]


def colour(own: Viewed, selector: str, name: str) -> tuple[float, ...]:
    found = own.view.locator(selector).first.evaluate(f"own => getComputedStyle(own).{name}")
    return tuple(float(part) for part in re.findall(r"[\d.]+", found)[:3])


def luminance(rgb: tuple[float, ...]) -> float:
    linear = [
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """WCAG's contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("scheme", "page", "options", "dark"),
    [
        ("light", "", "", False),
        ("dark", "", "", True),
        ("light", "dark", "", True),
        ("dark", "", 'scheme: "class"', False),
        ("light", "dark", 'scheme: "class"', True),
    ],
)
def test_dark_and_light_can_be_read(
    show: Show, scheme: str, page: str, options: str, dark: bool
) -> None:
    own = show(page=page, options=options, color_scheme=scheme)
    card = colour(own, ".lv-card", "backgroundColor")
    assert (luminance(card) < 0.1) == dark
    for selector in (".lv-question", ".lv-quiet", ".lv-facts", ".lv-caution", ".lv-label"):
        assert contrast(colour(own, selector, "color"), card) >= 4.5
    own.view.mouse.move(*own.at(0.5))
    for answer in (1, 2):
        said = colour(own, f".lv-timeline .lv-readout > span:nth-child({answer + 1})", "color")
        assert contrast(said, card) >= 4.5
    own.word(1, 1).click()
    ground, text = (
        colour(own, "[aria-pressed=true]", name) for name in ("backgroundColor", "color")
    )
    assert contrast(ground, text) >= 4.5
    inverted = own.view.locator("canvas").evaluate("own => getComputedStyle(own).filter")
    assert inverted == f"invert({int(dark)})"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_answers_have_the_colours_of_their_settings(show: Show, scheme: str) -> None:
    data = small()
    again = [{**data["answers"][1], "name": str(n), "colour": own} for n, own in ((2, 0), (3, 4))]
    probe = {**data["answers"][1], "kind": "probe-steered", "name": "probe", "colour": 4}
    own = show({**data, "answers": [*data["answers"], *again, probe]}, color_scheme=scheme)
    chosen = [BASELINE_COLOUR, COLOURS[0], COLOURS[1], COLOURS[3], COLOURS[3]]
    for place, name in enumerate(chosen):
        shown = in_the_dark(name) if scheme == "dark" else name
        expected = tuple(float(int(shown[at : at + 2], 16)) for at in (1, 3, 5))
        assert colour(own, f".lv-answer:nth-child({place + 1})", "borderTopColor") == expected


def test_loud_parts_of_the_spectrogram_are_opaque_and_low_ones_are_below(show: Show) -> None:
    own = show()
    alpha = own.view.evaluate("""() => {
        const canvas = document.querySelector("canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const rows = Array.from({ length: canvas.height }, (_, row) => {
            let sum = 0;
            for (let x = 0; x < canvas.width; x += 1) sum += data[4 * (row * canvas.width + x) + 3];
            return sum;
        });
        return [canvas.height, rows.indexOf(Math.max(...rows))];
    }""")
    rows, loudest = alpha
    assert (rows - loudest - 0.5) / rows * 4_000 == pytest.approx(440, abs=4_000 / rows)


@pytest.mark.parametrize("width", [420, 1200])
def test_much_data_can_be_used(show: Show, width: int) -> None:
    """28 layers, 28 heads, 750 steps and 60 words: all of it can be used; times are only shown."""
    own = show(large(), viewport={"width": width, "height": 900})
    own.view.get_by_label("Choosing a word plays where it listened").uncheck()
    slowest = own.view.evaluate("""async () => {
        const next = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        const times = [];
        for (let word = 0; word < 5; word += 1) {
            const start = performance.now();
            document.querySelector(`[data-answer="1"][data-word="${word}"]`).click();
            await next();
            times.push(performance.now() - start);
        }
        const start = performance.now();
        window.view.update(window.data);
        await next();
        return [Math.max(...times), performance.now() - start];
    }""")
    print(f"{width} px: a word {slowest[0]:.0f} ms, an update {slowest[1]:.0f} ms")
    use(own)
    box = own.view.locator(".lv-cells").first.bounding_box()
    assert box["width"] / 28 >= 8
    assert box["height"] / 28 >= 8
    own.page.assert_no_wider_than_the_window()
    own.page.assert_harmless()


def test_every_control_has_a_name(show: Show) -> None:
    own = show()
    nameless = own.view.evaluate("""() => [...document.querySelectorAll(
        "button, input, [tabindex], [role]")].filter((own) => !(own.getAttribute("aria-label")
        || own.textContent.trim() || own.closest("label")?.textContent.trim()
        || own.getAttribute("role") === "status")).map((own) => own.className || own.tagName)""")
    assert nameless == []


def test_the_page_leaves_the_view_when_it_is_taken_out(show: Show) -> None:
    """A host that replaces the view silences the old one."""
    own = show()
    own.view.get_by_role("button", name="Play", exact=True).click()
    own.wait("document.querySelector('audio').currentTime > 0.1")
    own.view.evaluate("""() => {
        window.old = document.querySelector("audio");
        window.view = ListeningView.mount(document.getElementById("view"), {});
        window.view.update(window.data);
    }""")
    own.wait("window.old.paused")
    assert own.view.locator(".lv-card").count() == 1
    own.page.assert_harmless()
