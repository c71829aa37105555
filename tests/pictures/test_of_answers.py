"""Pictures of answers: the attention that is drawn is that of the answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mata_audio import MATA, SettingsError
from mata_audio.asking import Answer, Asker, Prompt
from mata_audio.models.audio import Decoded
from mata_audio.models.loading import load
from mata_audio.settings.named import NamedSetting
from mata_audio.tiny.benchmark import make_items

pytest.importorskip("matplotlib")

from mata_audio.pictures.of_answers import answer_pictures

Asked = tuple[Prompt, list[Answer]]


@pytest.fixture(scope="module")
def asked() -> Asked:
    """Two answers about two clips, the second of which is only half heard."""
    asker = Asker(load("tiny", device="cpu"))
    clips = []
    for number, item in enumerate(make_items("test", 24)[22:]):
        sound = np.asarray(item.waveform(), np.float32)
        seconds = len(sound) / 16_000
        clips.append(Decoded(sound, seconds * (1 + number), seconds, ""))
    prompt = asker.prompt("How many beeps do you hear?", clips)
    settings = [NamedSetting("baseline", None), NamedSetting("MATA", MATA(2.0, "3-7"))]
    return prompt, [asker.answer(prompt, own) for own in settings]


def test_each_clip_has_its_own_attention(asked: Asked) -> None:
    prompt, answers = asked
    figures = answer_pictures(prompt, answers, 16_000, ["a.wav", "b.wav"])
    assert len(figures) == 2
    for number, figure in enumerate(figures):
        bottom = figure.axes[2]
        drawn = [own.get_data() for own in bottom.patches if not own.get_fill()]
        assert len(drawn) == 2
        for answer, (values, edges, _) in zip(answers, drawn, strict=True):
            assert answer.heard is not None
            own = answer.heard.clips == number
            tokens, _, heads, _ = answer.heard.weights.shape
            assert tokens > 1
            plain = np.zeros(own.sum())
            for token in range(tokens):
                for layer in range(3, 8):
                    for head in range(heads):
                        plain += answer.heard.weights[token, layer, head, own]
            assert values == pytest.approx(100 * plain / (tokens * 5 * heads), rel=1e-4)
            assert edges[:-1] == pytest.approx(answer.heard.starts[own])
        title = figure.axes[0].get_title(loc="left")
        assert ("first" in title) == (number == 1)


def test_an_answer_without_attention_is_left_out(asked: Asked) -> None:
    prompt, (baseline, steered) = asked
    without = replace(steered, heard=None, why_not="it looks first")
    figures = answer_pictures(prompt, [baseline, without], 16_000, ["a", "b"])
    assert [own.get_text() for own in figures[0].legends[0].get_texts()] == ["baseline"]
    with pytest.raises(SettingsError, match="no attention to draw: it looks first"):
        answer_pictures(prompt, [without], 16_000, ["a", "b"])


def test_a_setting_alone_has_an_unbroken_line(asked: Asked) -> None:
    prompt, answers = asked
    figure = answer_pictures(prompt, answers[1:], 16_000, ["a", "b"])[0]
    (line,) = figure.axes[2].patches
    assert line.get_linestyle() == "-"
