"""The view's data: attention and sound reduced, each held against plain float64 loops."""

from __future__ import annotations

import base64
import cmath
import io
import json
import math
import wave
from dataclasses import replace

import numpy as np
import pytest
from heard_answers import BASELINE_WORDS, LAYERS, RATE, STEPS, large, made_up, small, tone

from mata_audio.asking import FirstWord, Heard, Word
from mata_audio.evaluation.report import listening_page
from mata_audio.listening_view import answer_data, clip_data, listening_data
from mata_audio.listening_view.data import rounded
from mata_audio.listening_view.sound import extremes, levels_of, mean_blocks, spectrogram, wav_uri
from mata_audio.settings.colours import look

FOUR = 6e-4
"""Four significant digits, relative."""


@pytest.mark.parametrize(("layers", "heads"), [(None, None), ([1, 4], None), ([2], [0, 3])])
def test_attention_is_the_mean_over_tokens_layers_and_heads(
    layers: list[int] | None, heads: list[int] | None
) -> None:
    answer = made_up("baseline", ["one", " two", " three"], layers=5, heads=4)
    two = replace(answer, words=(Word("one", 0, 0), Word(" twothree", 1, 2)))
    data = answer_data(two, "baseline", layers=layers, heads=heads)
    assert two.heard is not None
    weights = two.heard.weights.astype(np.float64)
    for place, tokens in enumerate(([0], [1, 2])):
        for step in range(STEPS):
            total, count = 0.0, 0
            for token in tokens:
                for layer in range(5) if layers is None else layers:
                    for head in range(4) if heads is None else heads:
                        total += weights[token, layer, head, step]
                        count += 1
            assert data["by_word"][place][step] == pytest.approx(total / count, rel=FOUR)
        for layer in range(5):
            for head in range(4):
                share = sum(
                    weights[token, layer, head, step] for token in tokens for step in range(STEPS)
                )
                own = data["maps"][place][layer][head]
                assert own == pytest.approx(share / len(tokens), rel=FOUR)
    mean = [
        [(a + b) / 2 for a, b in zip(*rows, strict=True)]
        for rows in zip(*data["maps"], strict=True)
    ]
    assert np.allclose(data["map"], mean, rtol=2 * FOUR, atol=0)


def test_only_steps_of_the_shown_clip_count() -> None:
    answer = made_up("baseline", ["one"])
    assert answer.heard is not None
    clips = np.array([0] * 12 + [1] * 8)
    heard = Heard(clips, answer.heard.starts, answer.heard.ends, answer.heard.weights)
    for clip, steps in ((0, range(12)), (1, range(12, 20))):
        data = answer_data(replace(answer, heard=heard), "baseline", clip=clip)
        assert len(data["starts"]) == len(data["ends"]) == len(data["by_word"][0]) == len(steps)
        share = sum(float(heard.weights[0, 2, 1, step]) for step in steps)
        assert data["map"][2][1] == pytest.approx(share, rel=FOUR)
        assert sum(data["by_word"][0]) == pytest.approx(np.mean(data["map"]), rel=FOUR)


def test_what_cannot_be_shown_is_not_in_the_data() -> None:
    answer = made_up("baseline", ["one", " two"])
    assert answer.heard is not None
    likely = (FirstWord("a", float("nan")), FirstWord("b", 0.25))
    broken = answer.heard.weights.copy()
    broken[1, 0, 0, 0] = np.nan
    heard = replace(answer.heard, weights=broken)
    data = answer_data(replace(answer, heard=heard, first_words=likely), "baseline")
    assert data["first_words"] == [["b", 0.25]]
    assert "not finite" in data["why_not"]
    for name in ("starts", "ends", "by_word", "map", "maps"):
        assert data[name] == []
    none = answer_data(replace(answer, heard=None, why_not="it compares"), "steered")
    assert (none["why_not"], none["by_word"], none["words"]) == ("it compares", [], ["one", " two"])
    json.dumps([data, none, small()], allow_nan=False)


def test_numbers_have_four_significant_digits() -> None:
    given = [0.0, 1.0, 0.123456, 1.234567e-7, -0.98765432]
    assert rounded(given) == [0.0, 1.0, 0.1235, 1.235e-07, -0.9877]
    assert rounded([[1 / 3]]) == [[0.3333]]
    assert rounded(2 / 3) == 0.6667


def test_what_is_averaged_is_said() -> None:
    clip = clip_data("a.wav", tone(), RATE)
    said = listening_data(clip, "?", [], layers=[5, 3, 4], heads=[1])
    assert said["note"] == "mean over layers 3-5 and head 1"
    assert said["chosen"] == {"layers": [5, 3, 4], "heads": [1]}
    assert listening_data(clip, "?", [])["note"] == "mean over all layers and all heads"
    assert listening_data(clip, "?", [], note="as asked")["note"] == "as asked"


@pytest.mark.parametrize("samples", [1, 7, 599, 600, 601, 5_000])
def test_waveform_holds_the_extremes_of_each_stretch(samples: int) -> None:
    values = np.random.default_rng(samples).uniform(-1.2, 1.2, samples)
    low, high = extremes(values)
    columns = min(samples, 600)
    assert len(low) == len(high) == columns
    for column in range(columns):
        part = values[column * samples // columns : (column + 1) * samples // columns]
        within = [min(1.0, max(-1.0, value)) for value in part]
        assert (low[column], high[column]) == (min(within), max(within))


def test_sound_is_a_wav_of_16_bit() -> None:
    values = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0])
    content = base64.b64decode(wav_uri(values, 16_000).removeprefix("data:audio/wav;base64,"))
    with wave.open(io.BytesIO(content)) as file:
        assert file.getparams()[:4] == (1, 2, 16_000, 7)
        levels = np.frombuffer(file.readframes(7), "<i2")
    assert levels.tolist() == [0, 16_384, -16_384, 32_767, -32_767, 32_767, -32_767]


def test_spectrogram_is_that_of_windowed_sums() -> None:
    """Each frame by the definition of the Fourier transform, its power as levels of a known map."""
    values = np.random.default_rng(3).standard_normal(300)
    rate, window = 2_000, 50
    found = spectrogram(values, rate)
    assert found.top == 1.0
    assert found.levels.shape == (26, 300)
    padded = [0.0] * 25 + values.tolist() + [0.0] * 75
    taper = [0.5 - 0.5 * math.cos(2 * math.pi * n / window) for n in range(window)]
    power = np.zeros((26, 300))
    for frame in range(300):
        for row in range(26):
            total = sum(
                padded[frame + n] * taper[n] * cmath.exp(-2j * math.pi * row * n / window)
                for n in range(window)
            )
            power[row, frame] = abs(total) ** 2
    decibels = 10 * np.log10(power / power.max())
    depth = min(60.0, max(24.0, -float(np.quantile(decibels, 0.2))))
    expected = 255 * np.clip(1 + decibels / depth, 0, 1)
    assert np.abs(found.levels - expected).max() <= 0.51


def test_large_spectrograms_are_means_of_blocks() -> None:
    values = np.random.default_rng(4).random((7, 10))
    found = mean_blocks(values, 3, 4)
    assert found.shape == (3, 4)
    for row in range(3):
        for column in range(4):
            block = [
                values[i, j]
                for i in range(row * 7 // 3, (row + 1) * 7 // 3)
                for j in range(column * 10 // 4, (column + 1) * 10 // 4)
            ]
            assert found[row, column] == pytest.approx(sum(block) / len(block), rel=1e-12)


def test_spectrograms_are_bounded_and_loud_is_high() -> None:
    found = spectrogram(tone(40.0), RATE)
    rows, columns = found.levels.shape
    assert columns <= 400
    assert rows <= 96
    assert found.levels.max() == 255
    loudest = found.levels.astype(int).sum(axis=1).argmax()
    assert (loudest + 0.5) / rows * RATE / 2 == pytest.approx(440, abs=RATE / 2 / rows)
    assert found.levels[:, -1].max() > found.levels[:, 0].max()


def test_silence_and_one_sample_have_pictures() -> None:
    with np.errstate(all="raise"):
        assert not levels_of(np.zeros((3, 4))).any()
    for samples in (np.zeros(4_000), np.array([0.5]), np.zeros(1)):
        data = clip_data("quiet.wav", samples, 16_000)
        json.dumps(data, allow_nan=False)
        picture = data["spectrogram"]
        assert len(base64.b64decode(picture["levels"])) == picture["rows"] * picture["columns"] > 0


def test_half_a_minute_and_sixty_words_stay_below_3_mb() -> None:
    page = listening_page(large(steps=300))
    assert len(page.encode()) < 3_000_000
    assert len(small()["answers"][0]["map"]) == LAYERS
    assert small()["answers"][0]["words"] == list(BASELINE_WORDS)


def test_a_setting_has_the_colour_that_it_has_in_a_run() -> None:
    answer = made_up("MATA", ["one"])
    for place in range(1, 10):
        colour = answer_data(answer, "steered", place=place)["colour"]
        assert look(place).name == f"setting-{colour}"
    assert answer_data(answer, "steered")["colour"] == 0
