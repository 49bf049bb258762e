"""What all drawn plots share: their look, and how they become bytes.

Matplotlib's own objects are used, never pyplot, whose figures belong to the whole process.
"""

import io
import threading
import warnings
from collections.abc import Sequence
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studio.evaluation.fonts import prepare_labels

PlotFormat = Literal["svg", "png"]

PNG_DPI = 150
INK = "#1f2933"
GREY = "#7b8794"
FAINT = "#cbd2d9"
ACCENT = "#1f5fa8"
LONGEST_LABEL = 24

# Only these two are read from the process-wide settings: text stays text, and ids are the same each time.
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["svg.hashsalt"] = "model-studio"

# Fonts and their caches are shared by all figures of a process and are not made for threads.
_rendering = threading.Lock()


def new_figure(width_in: float, height_in: float) -> tuple[Figure, Axes]:
    """An empty figure with one pair of axes in the house look.

    Args:
        width_in: Width in inches.
        height_in: Height in inches.
    """
    figure = Figure(figsize=(width_in, height_in), facecolor="white")
    axes = figure.add_subplot()
    axes.set_facecolor("white")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)
    axes.tick_params(colors=INK, labelsize=10)
    return figure, axes


def set_texts(axes: Axes, *, title: str, x: str, y: str, scale: float = 1.0) -> None:
    """Title the plot and its axes.

    Args:
        axes: To be titled.
        title: Of the plot, one line.
        x: What runs from left to right, with its unit.
        y: What runs upwards, with its unit.
        scale: How much larger than usual the figure is.
    """
    axes.set_title(title, loc="left", fontsize=13 * scale, fontweight="bold", color=INK, pad=10, parse_math=False)
    axes.set_xlabel(x, fontsize=11 * scale, color=INK, labelpad=6, parse_math=False)
    axes.set_ylabel(y, fontsize=11 * scale, color=INK, labelpad=6, parse_math=False)


def shorten(label: str) -> str:
    """A label on one line of at most 24 characters, its middle left out where it is longer."""
    line = _one_line(label)
    if len(line) <= LONGEST_LABEL:
        return line
    half = LONGEST_LABEL // 2
    return f"{line[: half - 1]}…{line[-half:]}"


def shorten_all(labels: Sequence[str]) -> list[str]:
    """Labels on one line each, still told apart where they are shortened.

    If one is longer than 24 characters, the words all of them begin or end with are left out first. Those that are
    the same even so are numbered.
    """
    lines = [_one_line(label) for label in labels]
    if len(lines) > 1 and max(map(len, lines)) > LONGEST_LABEL:
        words = [line.split(" ") for line in lines]
        start = _count_shared(words)
        own = [line[start:] for line in words]
        end = _count_shared([line[::-1] for line in own])
        lines = [f"{'…' if start else ''}{' '.join(line[: len(line) - end])}{'…' if end else ''}" for line in own]
    short = [shorten(line) for line in lines]
    return [
        name if short.count(name) == 1 else f"{name} ({short[:place].count(name) + 1})"
        for place, name in enumerate(short)
    ]


def _count_shared(rows: Sequence[Sequence[str]]) -> int:
    """How many first words are the same in all rows, without the last word of any."""
    most = min(map(len, rows)) - 1
    return next((place for place in range(most) if len({row[place] for row in rows}) > 1), most)


def _one_line(label: str) -> str:
    return " ".join(label.split()) or "(empty)"


def write_number(value: float) -> str:
    """A number of four digits or so, thin spaces between its thousands."""
    if value and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.3g}".replace("-", "\u2212")
    digits = 0 if abs(value) >= 1000 else 3
    text = f"{value:,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return ("0" if text in ("-0", "") else text).replace(",", "\u2009").replace("-", "\u2212")


def render(figure: Figure, fmt: PlotFormat) -> bytes:
    """The bytes of a figure; the same figure gives the same bytes, from any thread.

    Args:
        figure: To be drawn; not to be used again.
        fmt: ``svg``, with text as text, or ``png``, at 150 dots per inch.
    """
    buffer = io.BytesIO()
    with _rendering, warnings.catch_warnings():
        if fmt == "png":  # an SVG's viewer finds fonts itself
            prepare_labels(figure)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        metadata = {"Date": None} if fmt == "svg" else {"Software": None}
        figure.savefig(buffer, format=fmt, dpi=PNG_DPI, metadata=metadata, bbox_inches="tight", pad_inches=0.15)
    return buffer.getvalue()
