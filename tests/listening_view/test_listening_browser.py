"""The listening view in a browser: words, sound, timeline and map, by mouse and by keyboard."""

from __future__ import annotations

import pytest
from heard_answers import HEADS, LAYERS, SECONDS, STEPS, small
from viewed import Show

STEP = SECONDS / STEPS


def share(answer: int, word: int, step: int) -> float:
    return float(small()["answers"][answer]["by_word"][word][step])


def percent(value: float) -> str:
    return f"{100 * value:.2f} %" if value < 0.1 else f"{100 * value:.1f} %"


def test_answers_are_shown_side_by_side(show: Show) -> None:
    own = show()
    assert own.view.locator(".lv-answer h3 bdi").all_inner_texts() == ["baseline", "MATA"]
    assert own.text(".lv-answer >> nth=0").startswith("baseline ✗ wrong a slow drum")
    assert own.text(".lv-answer >> nth=1").startswith("MATA ✓ right a fast drum solo")
    assert "multiply, alpha 2" in own.text(".lv-answer >> nth=1")
    first, second = (own.view.locator(".lv-answer").nth(n).bounding_box() for n in (0, 1))
    assert first["y"] == second["y"]
    assert first["x"] + first["width"] <= second["x"]
    assert own.text(".lv-facts") == "clip.wav 2.00 s right answer: a fast drum solo"
    own.page.assert_harmless()


def test_first_words_stand_in_the_same_order_and_their_bars_have_their_length(show: Show) -> None:
    own = show()
    rows = [own.view.locator(".lv-answer").nth(n).locator(".lv-first li") for n in (0, 1)]
    texts = [[" ".join(text.split()) for text in row.all_inner_texts()] for row in rows]
    assert texts[0] == ["fast 60.0 %", "slow 30.0 %", "so ≤ 1.00 %", "<|end|> 1.00 %"]
    assert texts[1] == ["fast 80.0 %", "slow ≤ 10.0 %", "so 10.0 %", "<|end|> ≤ 10.0 %"]
    bar = rows[1].first.locator(".lv-bar")
    lengths = [bar.bounding_box()["width"], bar.locator("span").bounding_box()["width"]]
    assert lengths[1] / lengths[0] == pytest.approx(0.8, abs=0.01)


def test_a_word_shows_its_attention_beside_that_of_the_same_place(show: Show) -> None:
    own = show()
    before = own.view.locator(".lv-line").first.get_attribute("d")
    own.word(1, 1).click()
    assert own.pressed() == ["fast"]
    assert own.view.locator(".lv-same").all_inner_texts() == ["slow"]
    assert own.text(".lv-heard h3") == "Where “fast” listens"
    assert own.text(".lv-legend").startswith("baseline “slow” MATA “fast”")
    assert own.view.locator(".lv-line").first.get_attribute("d") != before
    own.view.mouse.move(*own.at(7.5 / STEPS))
    said = own.text(".lv-timeline .lv-readout")
    expected = f"baseline {percent(share(0, 1, 7))} MATA {percent(share(1, 1, 7))}"
    assert said == f"0.70\u20130.80 s {expected}"
    own.word(1, 3).click()  # the baseline has no fourth word
    assert own.view.locator(".lv-line").count() == 1
    own.word(1, 3).click()
    assert own.pressed() == []
    assert own.text(".lv-heard h3") == "Where the answer listens"
    assert own.view.locator(".lv-line").first.get_attribute("d") == before


def test_no_word_means_the_mean_over_words(show: Show) -> None:
    own = show()
    own.view.mouse.move(*own.at(2.5 / STEPS))
    means = [
        sum(share(answer, word, 2) for word in range(count)) / count
        for answer, count in ((0, 3), (1, 4))
    ]
    said = own.text(".lv-timeline .lv-readout")
    assert said == f"0.20\u20130.30 s baseline {percent(means[0])} MATA {percent(means[1])}"


def test_a_word_plays_the_shortest_stretch_with_half_of_its_attention(show: Show) -> None:
    own = show()
    for word in range(4):
        row = small()["answers"][1]["by_word"][word]
        spans = [
            (last - first, first, last)
            for first in range(STEPS)
            for last in range(first, STEPS)
            if sum(row[first : last + 1]) >= sum(row) / 2
        ]
        _, first, last = min(spans)
        own.word(1, word).click()
        track = own.view.locator(".lv-track").bounding_box()
        marked = own.view.locator(".lv-listened").bounding_box()
        assert marked["x"] - track["x"] == pytest.approx(track["width"] * first / STEPS, abs=1)
        width = track["width"] * (last + 1 - first) / STEPS
        assert marked["width"] == pytest.approx(width, abs=1)
        more = max(0.0, 0.3 - (last + 1 - first) * STEP) / 2
        end = (last + 1) * STEP + more
        own.wait("document.querySelector('audio').paused")
        assert own.time == pytest.approx(end, abs=0.06)


def test_the_playing_of_words_can_be_switched_off(show: Show) -> None:
    own = show()
    own.view.get_by_label("Choosing a word plays where it listened").uncheck()
    own.word(0, 1).click()
    own.view.wait_for_timeout(200)
    assert own.time == 0
    assert own.view.locator(".lv-listened").is_visible()


def test_refused_sound_throws_nothing(show: Show) -> None:
    own = show()
    own.view.evaluate(
        """() => { document.querySelector("audio").play =
            () => Promise.reject(new DOMException("no")); }"""
    )
    own.word(0, 0).click()
    own.view.get_by_role("button", name="Play", exact=True).click()
    own.view.wait_for_timeout(100)
    assert not own.playing
    own.page.assert_harmless()


def test_playhead_is_in_step_with_the_sound(show: Show) -> None:
    own = show()
    own.view.get_by_role("button", name="Play", exact=True).click()
    own.wait("document.querySelector('audio').currentTime > 0.3")
    time, left, width = own.view.evaluate("""() => new Promise((done) => requestAnimationFrame(() =>
        requestAnimationFrame(() => done([document.querySelector('audio').currentTime,
        document.querySelector('.lv-head').offsetLeft,
        document.querySelector('.lv-track').clientWidth]))))""")
    assert left / width * SECONDS == pytest.approx(time, abs=0.06)
    own.view.get_by_role("button", name="Pause", exact=True).click()
    own.view.get_by_role("button", name="Play", exact=True).wait_for()
    assert not own.playing


def test_a_click_goes_to_its_moment(show: Show) -> None:
    own = show()
    own.view.mouse.click(*own.at(0.25))
    assert own.time == pytest.approx(0.5, abs=0.01)
    assert own.text(".lv-clock") == "0.50 / 2.00 s"
    assert own.events == []


def test_without_a_host_dragging_seeks_and_nothing_can_be_marked_or_chosen(show: Show) -> None:
    own = show(host=False)
    assert not own.view.locator(".lv-marking").is_visible()
    own.view.mouse.move(*own.at(0.2))
    own.view.mouse.down()
    own.view.mouse.move(*own.at(0.75), steps=5)
    own.view.mouse.up()
    assert own.time == pytest.approx(1.5, abs=0.01)
    assert not own.view.locator(".lv-marked").is_visible()
    own.view.mouse.click(*own.cell(2, 1, LAYERS, HEADS))
    assert own.view.locator(".lv-chosen").count() == 0
    assert own.text(".lv-maps .lv-readout").startswith("layer 2, steered, head 1 baseline")


def test_dragging_marks_a_stretch(show: Show) -> None:
    own = show()
    own.view.mouse.move(*own.at(0.75))
    own.view.mouse.down()
    own.view.mouse.move(*own.at(0.5), steps=5)
    own.view.mouse.up()
    ((name, stretch),) = own.events
    assert name == "mark"
    assert stretch["start"] == pytest.approx(1.0, abs=0.01)
    assert stretch["end"] == pytest.approx(1.5, abs=0.01)
    assert own.time == 0
    own.view.get_by_role("button", name="Play it").click()
    own.wait("!document.querySelector('audio').paused")
    own.wait("document.querySelector('audio').paused")
    assert own.time == pytest.approx(stretch["end"], abs=0.06)
    own.view.get_by_role("button", name="Clear").click()
    assert own.events[1:] == [["mark", None]]
    assert not own.view.locator(".lv-marked").is_visible()


def test_numbers_mark_a_stretch(show: Show) -> None:
    own = show()
    start, end = (own.view.locator(".lv-marking input").nth(n) for n in (0, 1))
    start.fill("0.5")
    end.fill("0.25")
    end.press("Enter")
    assert own.events == []
    end.fill("9")
    end.press("Enter")
    assert own.events == [["mark", {"start": 0.5, "end": 2}]]
    assert end.input_value() == "2.00"


def test_timeline_by_keyboard(show: Show) -> None:
    own = show()
    track = own.view.get_by_role("slider", name="Place in the clip")
    track.focus()
    for key, time in (
        ("ArrowRight", STEP), ("ArrowUp", 2 * STEP), ("ArrowLeft", STEP), ("PageUp", 11 * STEP),
        ("PageDown", STEP), ("End", SECONDS), ("Home", 0), ("ArrowLeft", 0),
    ):  # fmt: skip
        track.press(key)
        assert own.time == pytest.approx(time, abs=0.01)
        assert float(track.get_attribute("aria-valuenow")) == pytest.approx(time, abs=0.01)
    track.press("PageUp")
    assert "1.00 seconds; attention: baseline " in track.get_attribute("aria-valuetext")
    own.view.keyboard.down("Shift")
    for _ in range(3):
        own.view.keyboard.press("ArrowRight")
    own.view.keyboard.up("Shift")
    ((name, stretch),) = own.events
    assert name == "mark"
    assert (stretch["start"], stretch["end"]) == pytest.approx((1.0, 1.3), abs=0.01)
    track.press("Escape")
    assert own.events[1:] == [["mark", None]]
    track.press(" ")
    own.wait("!document.querySelector('audio').paused")
    track.press(" ")
    assert not own.playing


def test_words_by_keyboard(show: Show) -> None:
    own = show()
    own.word(1, 0).focus()
    for key, word in (
        ("ArrowRight", "fast"), ("ArrowDown", "drum"), ("ArrowLeft", "fast"), ("End", "solo"),
        ("ArrowRight", "solo"), ("Home", "a"), ("ArrowUp", "a"),
    ):  # fmt: skip
        own.view.keyboard.press(key)
        assert own.view.evaluate("document.activeElement.innerText") == word
    own.view.keyboard.press("ArrowRight")
    own.view.keyboard.press("Enter")
    assert own.pressed() == ["fast"]
    assert own.view.evaluate("document.activeElement.innerText") == "fast"
    own.view.keyboard.press(" ")
    assert own.pressed() == []
    tabs = own.view.locator(".lv-word[tabindex='0']").all_inner_texts()
    assert tabs == ["a", "a"]


@pytest.mark.parametrize(
    ("clicks", "choice"),
    [
        ([(2, 1)], {"layers": [2], "heads": [1]}),
        ([(3, -1)], {"layers": [3], "heads": None}),
        ([(-1, 2)], {"layers": None, "heads": [2]}),
        ([(4, 2), (2, 0)], {"layers": [2, 3, 4], "heads": [0, 1, 2]}),
        ([(1, -1), (3, -1)], {"layers": [1, 2, 3], "heads": None}),
    ],
)
def test_cells_rows_and_columns_are_chosen_by_mouse(
    show: Show, clicks: list[tuple[int, int]], choice: dict[str, list[int] | None]
) -> None:
    own = show()
    first, *others = clicks
    own.view.mouse.click(*own.cell(*first, LAYERS, HEADS, of=1))
    own.view.keyboard.down("Shift")
    for other in others:
        own.view.mouse.click(*own.cell(*other, LAYERS, HEADS, of=1))
    own.view.keyboard.up("Shift")
    assert own.events[-1] == ["choose", choice]
    assert len(own.events) == len(clicks)
    assert own.view.locator(".lv-chosen").count() == 2  # one in each map
    own.view.get_by_role("button", name="All layers and heads").click()
    assert own.events[-1] == ["choose", {"layers": None, "heads": None}]
    assert own.view.locator(".lv-chosen").count() == 0
    all_of_it = own.view.get_by_role("button", name="All layers and heads")
    assert all_of_it.get_attribute("aria-disabled") == "true"
    assert all_of_it.evaluate("own => own === document.activeElement")


def test_dragging_over_the_map_chooses_what_lies_between(show: Show) -> None:
    own = show()
    own.view.mouse.move(*own.cell(1, 1, LAYERS, HEADS))
    own.view.mouse.down()
    own.view.mouse.move(*own.cell(3, 2, LAYERS, HEADS), steps=4)
    own.view.mouse.up()
    assert own.events == [["choose", {"layers": [1, 2, 3], "heads": [1, 2]}]]


def test_map_by_keyboard(show: Show) -> None:
    own = show()
    body = own.view.get_by_role("application").nth(1)
    own.view.get_by_role("button", name="Zoom in").focus()
    while not body.evaluate("own => own === document.activeElement"):
        own.view.keyboard.press("Tab")
    assert own.text(".lv-maps .lv-readout").startswith("layer 0, head 0 baseline")
    own.view.keyboard.press("ArrowDown")
    own.view.keyboard.press("ArrowRight")
    own.view.keyboard.press("Enter")
    own.view.keyboard.press("ArrowDown")
    own.view.keyboard.press("Shift+Enter")
    own.view.keyboard.press("Home")
    own.view.keyboard.press(" ")
    own.view.keyboard.press("End")
    own.view.keyboard.press("PageUp")
    assert own.text(".lv-maps .lv-readout").startswith("every layer, head 3")
    own.view.keyboard.press("Enter")
    own.view.keyboard.press("Escape")
    assert [choice for _, choice in own.events] == [
        {"layers": [1], "heads": [1]},
        {"layers": [1, 2], "heads": [1]},
        {"layers": [2], "heads": None},
        {"layers": None, "heads": [3]},
        {"layers": None, "heads": None},
    ]


def test_pointing_at_the_map_tells_the_share(show: Show) -> None:
    own = show()
    shares = [answer["map"] for answer in small()["answers"]]
    own.view.mouse.move(*own.cell(4, 2, LAYERS, HEADS))
    said = own.text(".lv-maps .lv-readout")
    expected = [percent(cells[4][2]) for cells in shares]
    assert said == f"layer 4, head 2 baseline {expected[0]} MATA {expected[1]}"
    own.view.mouse.move(*own.cell(3, -1, LAYERS, HEADS, of=1))
    means = [percent(sum(cells[3]) / HEADS) for cells in shares]
    said = own.text(".lv-maps .lv-readout")
    assert said == f"layer 3, steered, every head baseline {means[0]} MATA {means[1]}"
    own.word(1, 3).click()
    own.view.mouse.move(*own.cell(4, 2, LAYERS, HEADS))
    only = percent(small()["answers"][1]["maps"][3][4][2])
    assert own.text(".lv-maps .lv-readout") == f"layer 4, head 2 MATA {only}"


def test_darkness_of_cells_follows_the_share(show: Show) -> None:
    own = show()
    cells = [answer["map"] for answer in small()["answers"]]
    highest = max(value for rows in cells for row in rows for value in row)
    drawn = own.view.locator(".lv-cell")
    for place, value in enumerate([v for rows in cells for row in rows for v in row]):
        own_opacity = float(drawn.nth(place).get_attribute("fill-opacity"))
        assert own_opacity == pytest.approx(value / highest, abs=6e-4)


def test_zoom_widens_the_timeline_and_keeps_the_playhead_in_sight(show: Show) -> None:
    own = show()
    width = own.view.locator(".lv-track").bounding_box()["width"]
    closer = own.view.get_by_role("button", name="Zoom in")
    for _ in range(2):
        closer.click()
    assert own.view.locator(".lv-track").bounding_box()["width"] == pytest.approx(4 * width, abs=2)
    own.view.get_by_role("slider").press("End")
    head, frame = (own.view.locator(s).bounding_box() for s in (".lv-head", ".lv-scroller"))
    assert frame["x"] <= head["x"] <= frame["x"] + frame["width"]
    for _ in range(3):
        own.view.get_by_role("button", name="Zoom out").click(force=True)
    assert own.view.locator(".lv-track").bounding_box()["width"] == pytest.approx(width, abs=2)
    own.page.assert_no_wider_than_the_window()


def test_an_update_about_the_same_clip_keeps_word_playhead_zoom_mark_and_sound(show: Show) -> None:
    own = show()
    own.view.get_by_role("button", name="Zoom in").click()
    own.word(1, 1).click()
    own.view.get_by_role("slider").press("Home")
    start, end = (own.view.locator(".lv-marking input").nth(n) for n in (0, 1))
    start.fill("0.5")
    end.fill("1.5")
    end.press("Enter")
    own.view.get_by_role("button", name="Play", exact=True).click()
    own.word(1, 1).focus()
    own.wait("document.querySelector('audio').currentTime > 0.2")
    data = small()
    data["answers"][1]["by_word"][1] = [0.02] * STEPS
    own.update(data)
    assert own.playing
    assert own.time > 0.2
    assert own.pressed() == ["fast"]
    assert own.view.evaluate("document.activeElement.innerText") == "fast"
    assert own.view.locator(".lv-marked").is_visible()
    track, frame = (own.view.locator(s).bounding_box() for s in (".lv-track", ".lv-scroller"))
    assert track["width"] > 1.9 * frame["width"]
    own.view.mouse.move(*own.at(0.05))
    assert "MATA 2.00 %" in own.text(".lv-timeline .lv-readout")
    own.page.assert_harmless()


def test_an_update_keeps_the_focus_in_the_map(show: Show) -> None:
    own = show()
    own.view.get_by_role("application").nth(1).focus()
    own.view.keyboard.press("ArrowDown")
    own.view.keyboard.press("Enter")
    own.update(small(chosen={"layers": [1], "heads": [0]}))
    own.view.keyboard.press("ArrowDown")
    own.view.keyboard.press("Enter")
    assert own.events[-1] == ["choose", {"layers": [2], "heads": [0]}]


@pytest.mark.parametrize("changed", ["name", "audio", "seconds"])
def test_another_clip_starts_anew(show: Show, changed: str) -> None:
    own = show()
    own.word(1, 1).click()
    own.wait("document.querySelector('audio').currentTime > 0")
    data = small()
    data["clip"][changed] = {
        "name": "another.wav",
        "audio": small()["clip"]["audio"].replace("AAAA", "AQAA", 1),
        "seconds": 1.5,
    }[changed]
    own.update(data)
    assert own.pressed() == []
    assert own.time == 0
    assert not own.playing
    assert not own.view.locator(".lv-listened").is_visible()


def test_an_answer_that_lost_its_word_lets_it_go(show: Show) -> None:
    own = show()
    own.word(1, 3).click()
    data = small()
    data["answers"] = [data["answers"][0], {**data["answers"][0], "kind": "steered"}]
    own.update(data)
    assert own.pressed() == []
    own.page.assert_harmless()


def test_probe_answers_join_the_others(show: Show) -> None:
    data = small()
    for kind in ("probe-baseline", "probe-steered"):
        data["answers"].append({**data["answers"][1], "kind": kind, "name": f"silenced, {kind}"})
    own = show(data)
    assert own.view.locator(".lv-answer").count() == 4
    assert own.view.locator(".lv-line").count() == 4
    assert own.view.locator(".lv-map").count() == 4
    dashes = [
        own.view.locator(".lv-line").nth(n).evaluate("own => getComputedStyle(own).strokeDasharray")
        for n in range(4)
    ]
    assert len(set(dashes)) == 3


def test_answers_without_attention_say_why(show: Show) -> None:
    data = small()
    none = {name: [] for name in ("starts", "ends", "by_word", "map", "maps")}
    data["answers"] = [{**own, **none, "why_not": "it compares"} for own in data["answers"]]
    own = show(data)
    assert own.view.locator(".lv-word").count() == 0
    assert "No attention is shown: it compares." in own.text(".lv-answer >> nth=0")
    assert not own.view.locator(".lv-maps").is_visible()
    assert not own.view.locator(".lv-track .lv-attention").is_visible()
    own.view.mouse.click(*own.at(0.5, ".lv-wave-lane"))
    assert own.time == pytest.approx(1.0, abs=0.01)
    own.page.assert_harmless()


def test_an_empty_answer_and_a_view_without_answers(show: Show) -> None:
    data = small()
    empty = {**data["answers"][1], "text": "", "words": [], "by_word": [], "maps": [], "map": []}
    own = show({**data, "answers": [data["answers"][0], empty]})
    assert "(empty answer)" in own.text(".lv-answer >> nth=1")
    own.update({**data, "answers": []})
    assert own.view.locator(".lv-answer").count() == 0
    own.page.assert_harmless()


def test_steps_after_the_clip_are_left_out(show: Show) -> None:
    """Some families pad a clip with silence, which has attention too."""
    data = small()
    for answer in data["answers"]:
        answer["starts"] = [4 * start for start in answer["starts"]]
        answer["ends"] = [4 * end for end in answer["ends"]]
        answer["by_word"] = [[*row[:5], 0.5, *row[6:]] for row in answer["by_word"]]
    own = show(data)
    within = max(
        sum(share(answer, word, step) for word in range(count)) / count
        for answer, count in ((0, 3), (1, 4))
        for step in range(5)
    )
    top = own.text(".lv-gutter .lv-attention span >> nth=0").removesuffix(" %")
    assert within <= float(top) / 100 < 0.5
    for line in own.view.locator(".lv-line").all():
        assert line.evaluate("own => own.getBBox().x + own.getBBox().width") == pytest.approx(1000)
    own.view.mouse.move(*own.at(0.99))
    assert own.text(".lv-timeline .lv-readout").startswith("1.60\u20132.00 s baseline")


def test_sound_is_optional(show: Show) -> None:
    data = small()
    data["clip"]["audio"] = ""
    own = show(data)
    play = own.view.get_by_role("button", name="Play", exact=True)
    assert play.get_attribute("aria-disabled") == "true"
    play.click(force=True)
    own.word(0, 0).click()
    own.view.get_by_role("slider").press(" ")
    own.page.assert_harmless()


def test_a_marked_stretch_can_be_silenced_where_the_host_does_so(show: Show) -> None:
    own = show()
    assert not own.view.get_by_role("button", name="Silence it").is_visible()
    own = show(options="silences: true")
    silence = own.view.get_by_role("button", name="Silence it")
    silence.click(force=True)
    assert own.events == []
    own.view.get_by_role("slider").focus()
    own.view.keyboard.press("Shift+ArrowRight")
    silence.click()
    assert own.events[-1] == ["silence", own.events[0][1]]
    assert not own.view.get_by_role("button", name="Hear it again").is_visible()
    data = small()
    data["answers"].append({**data["answers"][1], "kind": "probe-steered"})
    own.update(data)
    own.view.get_by_role("button", name="Hear it again").click()
    assert own.events[-1] == ["restore", None]


@pytest.mark.parametrize("host", [True, False])
def test_a_finger_seeks_reads_the_map_and_chooses(show: Show, host: bool) -> None:
    own = show(host=host, has_touch=True, viewport={"width": 420, "height": 900})
    own.view.touchscreen.tap(*own.at(0.5))
    assert own.time == pytest.approx(1.0, abs=0.02)
    own.view.touchscreen.tap(*own.cell(4, 2, LAYERS, HEADS))
    assert own.text(".lv-maps .lv-readout").startswith("layer 4, head 2 baseline")
    assert own.events == ([["choose", {"layers": [4], "heads": [2]}]] if host else [])
