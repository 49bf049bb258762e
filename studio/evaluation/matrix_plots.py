"""Drawings of confusion matrices, as SVG or PNG."""

import unicodedata
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from studio.evaluation.curves import ConfusionMatrix
from studio.evaluation.figures import (
    FAINT,
    GREY,
    INK,
    PlotFormat,
    new_figure,
    render,
    set_texts,
    shorten_all,
)
from studio.evaluation.fonts import write_drawable

BLUES = LinearSegmentedColormap.from_list("studio_blues", ["#ffffff", "#9cc3e6", "#1f5fa8", "#0b2a4e"])
# The grid stays this size as long as labels can be read when the plot is shown 600 pixels wide. Then it grows.
GRID_IN = 4.8
NAME_IN = 0.12
MOST_NAMES = 120
SMALLEST_CELL_PT = 6.0
# From this share on white is read more easily than ink.
DARK_SHARE = 0.54


def draw_confusion_matrix(matrix: ConfusionMatrix, fmt: PlotFormat, *, title: str = "Confusion matrix") -> bytes:
    """Draw a confusion matrix: colour is the share of the true class; numbers stand in cells large enough.

    Beyond 120 classes only some are named.

    Args:
        matrix: Counts or shares.
        fmt: ``svg`` or ``png``.
        title: Above the plot.
    """
    grid_in = max(GRID_IN, NAME_IN * min(len(matrix.labels), MOST_NAMES))
    figure, axes = new_figure(grid_in + 2.0, grid_in + 1.2)
    sums = [max(sum(row), 1) for row in matrix.matrix]
    shares = [[value / total for value in row] for row, total in zip(matrix.matrix, sums, strict=True)]
    image = axes.imshow(shares, cmap=BLUES, vmin=0, vmax=1, aspect="equal")
    scale = grid_in / GRID_IN
    _add_share_scale(figure, axes, image, scale)
    labels = matrix.labels if fmt == "svg" else tuple(write_drawable(matrix.labels))
    _label_classes(axes, labels, grid_in)
    _write_cells(axes, matrix, shares, grid_in)
    set_texts(axes, title=title, x="Predicted class", y="True class", scale=scale)
    return render(figure, fmt)


def _add_share_scale(figure: Figure, axes: Axes, image: Any, scale: float) -> None:
    """The colour scale, in per cent."""
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.ax.set_yticklabels(["0 %", "25 %", "50 %", "75 %", "100 %"], fontsize=9 * scale, color=INK)
    bar.set_label("Share of the true class", fontsize=10 * scale, color=INK)
    bar.outline.set_visible(False)


def _width_of(name: str) -> int:
    """Room a name takes, in letters: ideographs take twice as much."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in name)


def _label_classes(axes: Axes, labels: tuple[str, ...], grid_in: float) -> None:
    """Classes along both axes, upright where they are long or many."""
    step = -(-len(labels) // MOST_NAMES)
    names = shorten_all(labels)[::step]
    positions = range(0, len(labels), step)
    size = min(10.0, 0.8 * grid_in * 72 / len(names))
    is_upright = len(names) > 8
    is_crowded = max(map(_width_of, names)) * len(names) > 40
    axes.set_xticks(positions, names, fontsize=size, parse_math=False)
    axes.set_yticks(positions, names, fontsize=size, parse_math=False)
    if is_crowded:
        axes.tick_params(axis="x", labelrotation=90 if is_upright else 40)
        for text in axes.get_xticklabels():
            text.set_horizontalalignment("center" if is_upright else "right")
            text.set_rotation_mode("default" if is_upright else "anchor")
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)
    axes.set_xticks([position - 0.5 for position in range(1, len(labels))], minor=True)
    axes.set_yticks([position - 0.5 for position in range(1, len(labels))], minor=True)
    axes.grid(which="minor", color="white", linewidth=min(1.2, 3 * grid_in / len(labels)))
    axes.tick_params(which="both", length=0)


def _write_cells(axes: Axes, matrix: ConfusionMatrix, shares: list[list[float]], grid_in: float) -> None:
    """Counts, or shares in per cent, in an ink the colour lets one read, unless too small."""
    n_labels = len(matrix.labels)
    texts = [[_cell_text(value, matrix) for value in row] for row in matrix.matrix]
    longest = max(len(text) for row in texts for text in row)
    size = min(13.0, grid_in * 72 / n_labels / (0.9 * longest))
    if size < SMALLEST_CELL_PT:
        return
    for row, values in enumerate(matrix.matrix):
        for column, value in enumerate(values):
            colour = "white" if shares[row][column] > DARK_SHARE else INK if value else GREY
            axes.text(column, row, texts[row][column], ha="center", va="center", fontsize=size, color=colour)


def _cell_text(value: float, matrix: ConfusionMatrix) -> str:
    """A count with thin spaces between thousands, or a share in per cent, rounded for many classes."""
    if not matrix.normalize:
        return f"{int(value):,}".replace(",", "\u2009")
    return f"{value:.0%}" if len(matrix.labels) > 8 else f"{value:.1%}"
