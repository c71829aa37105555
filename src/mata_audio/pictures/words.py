"""A picture of attention by word of the answer: for each word, where in a clip it listened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mata_audio.errors import SettingsError
from mata_audio.pictures import style
from mata_audio.pictures.labels import label
from mata_audio.pictures.timeline import draw_waveform, over_layers, samples_of
from mata_audio.settings.colours import PAPER, Places, places_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mata_audio.asking import Answer

MOST_WORDS = 20
"""Most words of one answer; more would make a very high picture."""

_ROW = 0.19  # inches of height
_TITLE = 0.42
_STRIP = 0.55
_ROOM = 1.25


def words(
    answers: Sequence[Answer],
    waveform: ArrayLike,
    sampling_rate: int,
    *,
    clip: int = 0,
    layers: Sequence[int] | None = None,
    of: str = "",
    places: Places | None = None,
) -> Figure:
    """Draw where in a clip each word of the answers listened, one panel for each answer.

    Args:
        answers: to the same prompt, the baseline's first, from :class:`mata_audio.asking.Asker`.
            Those of which no attention can be shown are named below the picture.
        waveform: samples of the clip, one channel.
        sampling_rate: in Hz.
        clip: index of the clip in the prompt, from 0.
        layers: layers over which attention is averaged; None for all.
        of: what the clip is, such as the item and its question; written above it.
        places: the settings' places in a run, which give them their colours; those that are not in
            it follow. None for their places among the answers.

    Raises:
        AudioError: the waveform is empty, not one channel or not finite.
        SettingsError: no attention can be shown of any answer, no such clip or layer, or a sampling
            rate that is not positive.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    samples = samples_of(waveform, sampling_rate)
    shown = [answer for answer in answers if _can_be_shown(answer)]
    if not shown:
        reasons = "; ".join(f"{own.name}: {own.why_not}" for own in answers)
        raise SettingsError(f"there is no attention to draw: {reasons or 'no answer was given'}")
    placed = places_of((answer.name for answer in answers), places)
    panels = [_Panel(answer, clip, layers) for answer in shown]
    with style.drawing():
        heights = [_STRIP, *(_ROW * len(own.rows) + _TITLE for own in panels)]
        figure = style.new_figure(_ROOM + sum(heights))
        top, *below = figure.subplots(
            1 + len(panels), 1, sharex=True, gridspec_kw={"height_ratios": heights}
        )
        draw_waveform(top, samples, sampling_rate)
        top.set_ylabel("")
        top.set_yticks([])
        top.spines["left"].set_visible(False)
        if of:
            top.set_title(label(of, 56), fontweight="normal")
        for axes, panel in zip(below, panels, strict=True):
            panel.draw(axes, style.colour_of(placed[panel.answer.name]))
        end = max(float(panel.edges[-1]) for panel in panels)
        top.set_xlim(0, max(end, samples.size / sampling_rate))
        below[-1].set_xlabel("time in the clip (s)")
        style.title(figure, "Where each word of the answer listens", _note(answers, panels, layers))
    return figure


class _Panel:
    """The words of one answer, and their attention on the steps of one clip."""

    def __init__(self, answer: Answer, clip: int, layers: Sequence[int] | None) -> None:
        heard = answer.heard
        assert heard is not None
        here = heard.clips == clip
        if not here.any():
            raise SettingsError(f"the prompt has no clip {clip}; it has 0-{heard.clips.max()}")
        depth = heard.weights.shape[1]
        if layers is not None and not (layers and all(0 <= own < depth for own in layers)):
            raise SettingsError(f"layers must be some of 0-{depth - 1}; got {list(layers)}")
        self.answer = answer
        self.rows = answer.words[:MOST_WORDS]
        self.edges = np.append(heard.starts[here], heard.ends[here][-1])
        self.shares: NDArray[np.float64] = 100 * np.array(
            [heard.along_time(word, layers)[here] for word in self.rows]
        )

    def draw(self, axes: Axes, colour: str) -> None:
        """Draw the words below each other, with their names and shares beside them."""
        count = len(self.rows)
        most = max(float(self.shares.max()), 1e-9)
        axes.pcolormesh(
            self.edges, np.arange(count + 1) - 0.5, self.shares, cmap=style.sequential(colour),
            vmin=0, vmax=most, rasterized=True,
        )  # fmt: skip
        axes.hlines(np.arange(1, count) - 0.5, *self.edges[[0, -1]], color=PAPER, linewidth=1.5)
        axes.set_ylim(count - 0.5, -0.5)
        axes.set_yticks(range(count), [label(_readable(word.text), 18, 1) for word in self.rows])
        beside = axes.secondary_yaxis("right")
        beside.set_yticks(range(count), [f"{share:.0f} %" for share in self.shares.sum(axis=1)])
        for own in (axes, beside):
            own.tick_params(axis="y", length=0)
            for spine in own.spines.values():
                spine.set_visible(False)
        axes.tick_params(axis="x", length=2)
        axes.set_title(
            f"{label(self.answer.name, 34, 1)} (strongest: {most:.2g} %)",
            fontweight="normal", color=colour,
        )  # fmt: skip


def _can_be_shown(answer: Answer) -> bool:
    return answer.heard is not None and bool(answer.words)


def _readable(text: str) -> str:
    return text.strip() or "(space)"


def _note(answers: Sequence[Answer], panels: Sequence[_Panel], layers: Any) -> str:
    lines = [
        f"colour: share of a word's attention, mean over heads and {over_layers(layers)}",
        "right: the share of its attention that is on this clip",
    ]
    if any((panel.shares.sum(axis=1) > 100.5).any() for panel in panels):
        lines.append("above 100 %: the weights that were used, which no softmax gives")
    for panel in panels:
        if len(panel.rows) < len(panel.answer.words):
            every = len(panel.answer.words)
            name = label(panel.answer.name, 24, 1)
            lines.append(f"{name}: the first {len(panel.rows)} of {every} words")
    lines += [
        label(f"{answer.name} is not shown: {answer.why_not or 'its answer has no words'}", 72, 2)
        for answer in answers
        if not _can_be_shown(answer)
    ]
    return "\n".join(lines)
