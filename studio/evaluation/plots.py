"""Drawings of the matrices and curves of ``curves.py``, as SVG or PNG.

A new kind of plot is one function here: take a result of ``curves.py``, draw on ``new_figure``, give it to
``render``.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from studio.evaluation.curves import ConfusionMatrix, RocCurve
from studio.evaluation.figures import (
    ACCENT,
    FAINT,
    GREY,
    INK,
    PlotFormat,
    new_figure,
    render,
    set_texts,
    shorten,
)

BLUES = LinearSegmentedColormap.from_list("studio_blues", ["#ffffff", "#9cc3e6", "#1f5fa8", "#0b2a4e"])
# The grid stays this size, so that labels stay readable when the plot is shown 600 pixels wide.
GRID_IN = 4.8
SMALLEST_CELL_PT = 4.5


def draw_confusion_matrix(matrix: ConfusionMatrix, fmt: PlotFormat, *, title: str = "Confusion matrix") -> bytes:
    """Draw a confusion matrix: colour is the share of the true class; numbers stand in cells large enough.

    Args:
        matrix: Counts or shares.
        fmt: ``svg`` or ``png``.
        title: Above the plot.
    """
    figure, axes = new_figure(GRID_IN + 2.0, GRID_IN + 1.2)
    sums = [max(sum(row), 1) for row in matrix.matrix]
    shares = [[value / total for value in row] for row, total in zip(matrix.matrix, sums, strict=True)]
    image = axes.imshow(shares, cmap=BLUES, vmin=0, vmax=1, aspect="equal")
    _add_share_scale(figure, axes, image)
    _label_classes(axes, matrix.labels)
    _write_cells(axes, matrix, shares)
    set_texts(axes, title=title, x="Predicted class", y="True class")
    return render(figure, fmt)


def _add_share_scale(figure: Figure, axes: Axes, image: Any) -> None:
    """The colour scale, in per cent."""
    scale = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, ticks=[0, 0.25, 0.5, 0.75, 1])
    scale.ax.set_yticklabels(["0 %", "25 %", "50 %", "75 %", "100 %"], fontsize=9, color=INK)
    scale.set_label("Share of the true class", fontsize=10, color=INK)
    scale.outline.set_visible(False)


def _label_classes(axes: Axes, labels: tuple[str, ...]) -> None:
    """Classes along both axes, upright where they are long or many."""
    names = [shorten(label) for label in labels]
    longest = max(len(name) for name in names)
    size = max(4.0, min(10.0, 0.8 * GRID_IN * 72 / len(names)))
    is_crowded = longest * len(names) > 40
    positions = range(len(names))
    axes.set_xticks(positions, names, fontsize=size, parse_math=False)
    axes.set_yticks(positions, names, fontsize=size, parse_math=False)
    if is_crowded:
        axes.tick_params(axis="x", labelrotation=90 if len(names) > 8 else 40)
        for text in axes.get_xticklabels():
            text.set_horizontalalignment("center" if len(names) > 8 else "right")
            text.set_rotation_mode("anchor" if len(names) <= 8 else "default")
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)
    axes.set_xticks([position - 0.5 for position in range(1, len(names))], minor=True)
    axes.set_yticks([position - 0.5 for position in range(1, len(names))], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="both", length=0)


def _write_cells(axes: Axes, matrix: ConfusionMatrix, shares: list[list[float]]) -> None:
    """Counts, or shares in per cent, in an ink the colour lets one read, unless too small."""
    n_labels = len(matrix.labels)
    texts = [[_cell_text(value, matrix) for value in row] for row in matrix.matrix]
    longest = max(len(text) for row in texts for text in row)
    size = min(13.0, GRID_IN * 72 / n_labels / (0.9 * longest))
    if size < SMALLEST_CELL_PT:
        return
    for row, values in enumerate(matrix.matrix):
        for column, value in enumerate(values):
            colour = "white" if shares[row][column] > 0.5 else INK if value else GREY
            axes.text(column, row, texts[row][column], ha="center", va="center", fontsize=size, color=colour)


def _cell_text(value: float, matrix: ConfusionMatrix) -> str:
    """A count with thin spaces between thousands, or a share in per cent, rounded for many classes."""
    if not matrix.normalize:
        return f"{int(value):,}".replace(",", "\u2009")
    return f"{value:.0%}" if len(matrix.labels) > 8 else f"{value:.1%}"


def draw_roc_curve(curve: RocCurve, fmt: PlotFormat, *, title: str = "ROC curve") -> bytes:
    """Draw a ROC curve beside the diagonal of chance, with the area under it in the legend.

    Args:
        curve: Of one class or the average of all.
        fmt: ``svg`` or ``png``.
        title: Above the plot.
    """
    figure, axes = new_figure(5.6, 5.4)
    fpr = [point.fpr for point in curve.points]
    tpr = [point.tpr for point in curve.points]
    subject = "Macro average" if curve.class_label is None else shorten(curve.class_label)
    axes.fill_between(fpr, tpr, color=ACCENT, alpha=0.08, linewidth=0)
    axes.plot(fpr, tpr, color=ACCENT, linewidth=2.2, label=f"{subject} (AUC {curve.roc_auc:.3f})", zorder=3)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)), label="Chance (AUC 0.500)")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    legend = axes.legend(loc="lower right", fontsize=10, frameon=True, facecolor="white", edgecolor=FAINT)
    for text in legend.get_texts():
        text.set_parse_math(False)
    set_texts(axes, title=title, x="False positive rate (0 to 1)", y="True positive rate (0 to 1)")
    return render(figure, fmt)
