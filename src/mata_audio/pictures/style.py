"""The look of all pictures, and saving them: equal figures become equal files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mata_audio.errors import MataError, WriteError
from mata_audio.pictures.dark import following_dark_mode
from mata_audio.settings.colours import BASELINE_COLOUR, COLOURS, INK, PAPER, look
from mata_audio.storage.atomic_file import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

QUIET = "#58625e"
LINE = "#dde0df"
SOFT = "#f4f5f4"
MARK = "#e7edf4"
MIDDLE = "#f7f7f5"

BASELINE_SHAPE = "o"
SHAPES = ("s", "^", "D", "v", "P")

WIDTH = 4.4  # inches, about 11 cm: at 8 cm the smallest letters are 5.5 points high
SMALL = 7.5
DPI = 200

_RC: dict[str, Any] = {
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "hatch.linewidth": 0.6,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "svg.hashsalt": "mata-audio",
}


_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": "mata-audio"},
    "png": {"Software": None},
}


class MissingMatplotlibError(MataError, ImportError):
    """Matplotlib is not installed."""


def require_matplotlib() -> None:
    """Fail early if pictures cannot be drawn.

    Raises:
        MissingMatplotlibError: Matplotlib is not installed.
    """
    try:
        import matplotlib.figure
        import matplotlib.style  # noqa: F401
    except ImportError as error:
        raise MissingMatplotlibError(
            "pictures need Matplotlib: pip install 'mata-audio[pictures]'"
        ) from error


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in our style; the user's own is restored afterwards.

    Raises:
        MissingMatplotlibError: Matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib.style

    with matplotlib.style.context(["default", _RC]), warnings.catch_warnings():
        # The font may lack a name's script; the SVG still has the name as text.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure ``height`` inches high; its parts make room for each other."""
    from mata_audio.pictures.drawn import DrawnFigure

    figure = DrawnFigure(figsize=(width, height), layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.05, h_pad=0.05, hspace=0.02, wspace=0.02)
    return figure


def title(figure: Figure, text: str, note: str = "") -> None:
    """Write what the picture shows above it, and how to read it below."""
    figure.suptitle(text, x=0.015, ha="left", fontsize=10, fontweight="bold")
    if note:
        figure.supxlabel(note, x=0.015, ha="left", fontsize=SMALL, color=QUIET)


def legend_below(
    figure: Figure, entries: Sequence[tuple[Any, str]], columns: int, note: str = ""
) -> None:
    """Write a note and a legend below everything else; :func:`title`'s note would overlap."""
    handles, texts = [entry[0] for entry in entries], [entry[1] for entry in entries]
    legend = figure.legend(
        handles, texts, loc="outside lower left", ncols=columns, handlelength=1.6,
        title=note or None, title_fontsize=SMALL, alignment="left",
    )  # fmt: skip
    legend.get_title().set_color(QUIET)


def columns(names: Sequence[str]) -> int:
    """Return how many columns of a legend fit below a picture."""
    if sum(len(name) + 6 for name in names) <= 62:
        return len(names)
    return 2 if max(map(len, names)) <= 22 else 1


def colour_of(place: int) -> str:
    """Return the colour of the setting at ``place`` in its run; 0 is the baseline."""
    return look(place).colour


def shape_of(place: int) -> str:
    """Return the marker's shape of the setting at ``place`` in its run; 0 is the baseline."""
    shape = look(place).shape
    return BASELINE_SHAPE if shape is None else SHAPES[shape]


def marker(shape: str, colour: str, hollow: bool, width: float) -> dict[str, Any]:
    """Return how a marker and the line through it are drawn; a hollow marker is white inside."""
    return {
        "marker": shape, "color": colour, "markerfacecolor": PAPER if hollow else colour,
        "markersize": 5.5, "markeredgewidth": 1.3, "linewidth": width,
    }  # fmt: skip


def interval(
    axes: Axes, y: float, low: float, value: float, high: float, drawn: dict[str, Any]
) -> None:
    """Draw an interval of fractions in percent with a marker on it, as :func:`marker` says."""
    axes.plot([100 * low, 100 * high], [y, y], color=drawn["color"], linewidth=drawn["linewidth"])
    axes.plot([100 * value], [y], **drawn, linestyle="none")


def no_ticks(axes: Axes) -> None:
    """Remove the ticks of both axes but keep their labels."""
    axes.tick_params(length=0)


def diverging(most: str = COLOURS[0]) -> Colormap:
    """Return colours from the baseline's orange over near-white to ``most``."""
    from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb

    red, green, blue = ((1 + part) / 2 for part in to_rgb(most))
    pale = to_hex((red, green, blue))
    colours = [BASELINE_COLOUR, "#e2a46a", MIDDLE, pale, most]
    return LinearSegmentedColormap.from_list("mata", colours)


def legible() -> Colormap:
    """Return colours from orange over near-white to blue, on which black can be read.

    They are pale, so that in the dark too the letters, then white, differ enough from each.
    """
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("legible", ["#e5ab76", MIDDLE, "#93b3d4"])


def sequential(most: str | None = None) -> Colormap:
    """Return colours from white to ``most``, or to dark, in the same order when printed in grey."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = [PAPER, "#f0c99f", "#c9783a", "#6b3206"] if most is None else [PAPER, most]
    return LinearSegmentedColormap.from_list("mass", colours)


def save(figure: Figure, path: str | Path) -> list[Path]:
    """Write a figure as SVG, with its text as text, and as PNG; each whole or not at all.

    Args:
        figure: from a function of :mod:`mata_audio.pictures`.
        path: without a suffix; its folder is created.

    Returns:
        The two files.

    Raises:
        OSError: they cannot be written.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    stem = Path(path)
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise WriteError(f"{stem.parent} cannot be made ({why}): give another folder") from error
    written = []
    for form in _METADATA:
        target = stem.with_name(f"{stem.name}.{form}")
        write_atomically(target, content(figure, form))
        written.append(target)
    return written


def content(figure: Figure, form: str = "svg") -> bytes:
    """Return a figure as a file's content; ``form`` is ``"svg"`` or ``"png"``."""
    stream = io.BytesIO()
    with drawing():
        figure.savefig(stream, format=form, dpi=DPI, metadata=_METADATA[form])
    made = stream.getvalue()
    return following_dark_mode(made) if form == "svg" else made
