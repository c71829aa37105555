"""A picture of listening: a clip, and where in it the model attends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mata_audio.errors import AudioError, SettingsError
from mata_audio.notation.layers import format_indices
from mata_audio.pictures import style
from mata_audio.pictures.labels import label
from mata_audio.settings.colours import Places, places_of
from mata_audio.settings.named import BASELINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mata_audio.profiling import Timeline

Floats = NDArray[np.float64]

_QUIETEST = 60.0  # dB below the loudest; everything softer is as the page
_MOST_POINTS = 2000
_MOST_STEPS = 100  # more would hide one another


def listening(
    timeline: Timeline,
    waveform: ArrayLike,
    sampling_rate: int,
    *,
    clip: int = 0,
    layers: Sequence[int] | None = None,
    over: str = "heads",
    unit: str = "token",
    of: str = "",
    places: Places | None = None,
) -> Figure:
    """Draw a clip's waveform and spectrogram over the attention on it, second by second.

    Args:
        timeline: attention over a prompt, under the baseline and settings.
        waveform: samples of the clip, one channel.
        sampling_rate: in Hz.
        clip: index of the clip in the prompt, from 0.
        layers: layers over which attention is averaged; None for all.
        over: what it has been averaged over before.
        unit: what a step of the timeline is.
        of: what the clip is, such as the item and its question; written above it.
        places: the settings' places in a run, which give them their colours; those that are not in
            it follow. None for their places in the timeline.

    Raises:
        AudioError: the waveform is empty, not one channel or not finite.
        SettingsError: no such clip or layer, or a sampling rate that is not positive.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    samples = samples_of(waveform, sampling_rate)
    heard, edges, together = _along(timeline, clip, layers)
    with style.drawing():
        figure = style.new_figure(4.9)
        top, middle, bottom = figure.subplots(
            3, 1, sharex=True, gridspec_kw={"height_ratios": [1.1, 1.2, 1.3]}
        )
        draw_waveform(top, samples, sampling_rate)
        _draw_spectrogram(middle, samples, sampling_rate)
        entries = _draw_attention(bottom, heard, edges, places_of(heard, places), unit)
        bottom.set_xlim(0, max(float(edges[-1]), samples.size / sampling_rate))
        bottom.set_xlabel("time in the clip (s)")
        figure.align_ylabels([top, middle, bottom])
        if of:
            top.set_title(label(of, 56), fontweight="normal")
        style.title(figure, "Where the model listens")
        columns = style.columns([text for _, text in entries])
        steps = f"; mean of every {together} {unit}s" if together > 1 else ""
        note = (
            f"attention: mean over {over} and {over_layers(layers)}{steps}\n"
            f"spectrogram: down to {_QUIETEST:.0f} dB below the loudest"
        )
        if edges[-1] > 1.02 * samples.size / sampling_rate:
            note += "\nafter the clip: silence that the model pads it with"
        style.legend_below(figure, entries, columns, note)
    return figure


def attention_lines(timeline: Timeline, *, clip: int = 0) -> Figure:
    """Draw the attention on a clip, second by second, without the clip's sound.

    Args:
        timeline: attention over a prompt, under the baseline and settings.
        clip: index of the clip in the prompt, from 0.

    Raises:
        SettingsError: no such clip.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    heard, edges, together = _along(timeline, clip, None)
    with style.drawing():
        figure = style.new_figure(2.6)
        axes: Axes = figure.subplots()
        entries = _draw_attention(axes, heard, edges, places_of(heard, None), "token")
        axes.set_xlim(0, float(edges[-1]))
        axes.set_xlabel(f"time in clip {clip + 1} (s)")
        style.title(figure, "Where the model listens")
        steps = f"; mean of every {together} tokens" if together > 1 else ""
        note = f"attention: mean over heads and all layers{steps}"
        style.legend_below(figure, entries, style.columns([text for _, text in entries]), note)
    return figure


def _along(
    timeline: Timeline, clip: int, layers: Sequence[int] | None
) -> tuple[dict[str, Any], Any, int]:
    """Return the attention on a clip in percent, the edges of its steps, and tokens in a step."""
    here = timeline.clips == clip
    if not here.any():
        raise SettingsError(f"the timeline has no clip {clip}; it has 0-{timeline.clips.max()}")
    edges = np.append(timeline.starts[here], timeline.ends[here][-1])
    together = math.ceil(here.sum() / _MOST_STEPS)
    edges = np.append(edges[:-1:together], edges[-1])
    heard = {
        name: 100 * _together(_mean(own, layers)[here], together)
        for name, own in timeline.weights.items()
    }
    return heard, edges, together


def samples_of(waveform: ArrayLike, sampling_rate: int) -> Floats:
    """Return the samples of a clip that can be drawn.

    Raises:
        AudioError: they are none, not one channel or not finite.
        SettingsError: the sampling rate is not positive.
    """
    samples = np.asarray(waveform, dtype=np.float64)
    if samples.ndim != 1 or not samples.size or not np.isfinite(samples).all():
        raise AudioError(
            f"give one channel of finite samples to draw; got an array of shape {samples.shape}"
        )
    if not sampling_rate > 0:
        raise SettingsError(f"sampling_rate must be above 0; got {sampling_rate!r}")
    return samples


def _mean(weights: Any, layers: Sequence[int] | None) -> Any:
    depth = weights.shape[0]
    chosen = list(range(depth)) if layers is None else list(layers)
    if not chosen or not all(0 <= layer < depth for layer in chosen):
        raise SettingsError(f"layers must be some of 0-{depth - 1}; got {chosen}")
    return weights[chosen].mean(axis=0)


def _together(values: Any, count: int) -> Any:
    """Return the means of every ``count`` consecutive values."""
    starts = np.arange(0, values.size, count)
    return np.add.reduceat(values, starts) / np.diff(np.append(starts, values.size))


def over_layers(layers: Sequence[int] | None) -> str:
    """Return which layers attention is averaged over, in words."""
    if layers is None:
        return "all layers"
    written = format_indices(tuple(layers))
    if len(written) > 12:
        return f"{len(layers)} layers"
    return f"layer{'s' if len(layers) > 1 else ''} {written} (from 0)"


def draw_waveform(axes: Axes, samples: Any, rate: int) -> None:
    """Draw the lowest and highest sample of each stretch; all samples would be a huge file."""
    stretch = max(1, samples.size // _MOST_POINTS)
    starts = np.arange(0, samples.size, stretch)
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    axes.fill_between(starts / rate, low, high, color=style.QUIET, linewidth=0.4)
    axes.set_ylabel("amplitude\n(full scale 1)")


def _draw_spectrogram(axes: Axes, samples: Any, rate: int) -> None:
    from matplotlib.ticker import MaxNLocator
    from scipy.signal import stft

    window = min(samples.size, max(16, round(0.025 * rate)))
    _, times, spectrum = stft(samples, rate, nperseg=window, noverlap=window // 2)
    power = 20 * np.log10(np.maximum(np.abs(spectrum), 1e-10))
    power -= power.max()
    half = (times[1] - times[0]) / 2 if len(times) > 1 else samples.size / rate / 2
    axes.imshow(
        power, origin="lower", aspect="auto", cmap="Greys", vmin=-_QUIETEST, vmax=0,
        extent=(times[0] - half, times[-1] + half, 0.0, rate / 2000), interpolation="antialiased",
    )  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 4, 5, 10]))
    axes.set_ylabel("frequency\n(kHz)")


def _draw_attention(
    axes: Axes, heard: dict[str, Any], edges: Any, places: Places, unit: str
) -> list[tuple[Any, str]]:
    entries: list[tuple[Any, str]] = []
    styles = ("-", (0, (5, 1)), (0, (1, 1)), (0, (5, 1, 1, 1)))
    settings = [name for name in heard if name != BASELINE]
    for name, values in heard.items():
        plain = name == BASELINE
        colour = style.colour_of(places[name])
        line = axes.stairs(
            values, edges, baseline=None, color=colour, linewidth=1.5,
            linestyle=(0, (3, 1.2)) if plain else styles[settings.index(name) % len(styles)],
        )  # fmt: skip
        if plain:
            axes.stairs(values, edges, fill=True, color=colour, alpha=0.12)
        entries.append((line, label(name, 46, 1)))
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.set_ylabel(f"attention\n(% per {unit})")
    return entries
