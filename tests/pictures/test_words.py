"""The picture of attention by word: a row for each word, and what is left out is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from answers import answer, unheard

from mata_audio.asking import Word
from mata_audio.errors import AudioError, SettingsError
from mata_audio.pictures import words
from mata_audio.pictures.labels import label

pytest.importorskip("matplotlib")

CLIP = np.sin(np.arange(16_000) / 9)
HOSTILE = ("$x$", "<b>&amp;", "\\frac{1}", "名" * 40, "w" * 300, "a\x00b\ud800\u202ec")


def test_each_word_has_a_row_with_its_share_and_where_it_listened() -> None:
    figure = words([answer("baseline"), answer("MATA", "no")], CLIP, 16_000, layers=[1, 2])
    _, before, after = figure.axes
    for axes, spoken in ((before, ["a", "dog", "barks"]), (after, ["no"])):
        assert [tick.get_text() for tick in axes.get_yticklabels()] == spoken
        beside = [tick.get_text() for tick in axes.child_axes[0].get_yticklabels()]
        assert beside == ["40 %"] * len(spoken)  # 31, and nine times 1
        drawn = axes.collections[0].get_array().reshape(len(spoken), 10)
        expected = np.where(np.arange(10) == np.arange(len(spoken))[:, None], 31, 1)
        np.testing.assert_allclose(drawn, expected, rtol=1e-5)
        top, bottom = axes.get_ylim()[::-1]
        assert top < bottom  # the first word is on top
    assert before.get_title(loc="left") == "baseline (strongest: 31 %)"
    assert "layers 1-2 (from 0)" in figure.get_supxlabel()
    mean = words([answer("baseline")], CLIP, 16_000).axes[1].collections[0].get_array()
    assert mean.max() == pytest.approx(16)  # of 31 in two layers, and 1 in the others


def test_a_clip_has_its_own_steps() -> None:
    own = answer("baseline")
    assert own.heard is not None
    clips = np.repeat([0, 1], [8, 2])
    starts = np.append(np.arange(8.0), [0, 0.5])
    ends = starts + np.where(clips == 1, 0.5, 1)
    two = replace(own, heard=replace(own.heard, clips=clips, starts=starts, ends=ends))
    axes = words([two], CLIP, 16_000, clip=1).axes[1]
    drawn = axes.collections[0]
    np.testing.assert_allclose(drawn.get_array().reshape(3, 2), np.ones((3, 2)), rtol=1e-5)
    np.testing.assert_allclose(drawn.get_coordinates()[0, :, 0], [0, 0.5, 1])
    assert [tick.get_text() for tick in axes.child_axes[0].get_yticklabels()] == ["2 %"] * 3
    assert axes.get_xlim() == (0, 1)


def test_what_is_left_out_is_named() -> None:
    long = answer("baseline", "word " * 23)
    empty = replace(answer("MATA", ""), words=())
    odd = unheard("contrast", "it compares several readings of the prompt")
    figure = words([long, empty, odd], CLIP, 16_000)
    assert len(figure.axes) == 2
    assert len(figure.axes[1].get_yticklabels()) == 20
    note = figure.get_supxlabel().replace("\n", " ")
    assert "baseline: the first 20 of 23 words" in note
    assert "MATA is not shown: its answer has no words" in note
    assert "contrast is not shown: it compares several readings of the prompt" in note
    assert "above 100 %" not in note
    assert long.heard is not None
    many = replace(long, heard=replace(long.heard, weights=8 * long.heard.weights))
    assert "above 100 %" in words([many], CLIP, 16_000).get_supxlabel()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_words_are_drawn_as_they_are(name: str) -> None:
    own = replace(answer("baseline"), words=(Word(name, 0, 1), Word(" \n", 2, 2)))
    axes = words([own], CLIP, 16_000, of=name).axes[1]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [label(name, 18, 1), "(space)"]


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(SettingsError, match="no attention to draw: MATA: it looks first"):
        words([unheard("MATA", "it looks first")], CLIP, 16_000)
    with pytest.raises(SettingsError, match="no clip 1; it has 0-0"):
        words([answer("baseline")], CLIP, 16_000, clip=1)
    for layers in ([], [4]):
        with pytest.raises(SettingsError, match="layers must be some of 0-3"):
            words([answer("baseline")], CLIP, 16_000, layers=layers)
    with pytest.raises(AudioError, match="one channel"):
        words([answer("baseline")], np.zeros(0), 16_000)
