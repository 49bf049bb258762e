"""Drawings of what ``curves.py``, ``class_scores.py`` and ``reports.py`` compute, as SVG or PNG.

A new kind of plot is one function here: take a result, draw on ``new_figure``, give it to ``_finish``.
"""

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from studio.evaluation.class_scores import Calibration, Lift, PrCurve, ThresholdCurve
from studio.evaluation.curves import RocCurve
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
    write_number,
)
from studio.evaluation.reports import Histogram, Residuals

DASHES = (0, (4, 3))
ORANGE = "#c2570c"
GREEN = "#2f7d4f"
FEW_POINTS = 12

Steps = Literal["default", "steps-post"]


def draw_roc_curve(curve: RocCurve, fmt: PlotFormat, *, title: str) -> bytes:
    """True against false positive rate, beside the diagonal of chance, with the area in the legend."""
    figure, axes = new_figure(5.6, 5.4)
    fpr, tpr = ([getattr(point, name) for point in curve.points] for name in ("fpr", "tpr"))
    subject = "Macro average" if curve.class_label is None else shorten(curve.class_label)
    axes.fill_between(fpr, tpr, color=ACCENT, alpha=0.08, linewidth=0)
    _draw_curve(axes, fpr, tpr, f"{subject} (AUC {curve.roc_auc:.3f})")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle=DASHES, label="Chance (AUC 0.500)")
    _square(axes)
    set_texts(axes, title=title, x="False positive rate (0 to 1)", y="True positive rate (0 to 1)")
    return _finish(figure, axes, fmt)


def draw_pr_curve(curve: PrCurve, label: str, fmt: PlotFormat, *, title: str) -> bytes:
    """Precision against recall, beside the precision of chance."""
    figure, axes = new_figure(5.6, 5.4)
    recall, precision = ([getattr(point, name) for point in curve.points] for name in ("recall", "precision"))
    # Average precision is the area below these steps; straight lines would promise more.
    _draw_curve(axes, recall, precision, f"{shorten(label)} (AP {curve.average_precision:.3f})", steps="steps-post")
    axes.axhline(
        curve.base_rate, color=GREY, linewidth=1.2, linestyle=DASHES, label=f"Chance (AP {curve.base_rate:.3f})"
    )
    _square(axes)
    set_texts(axes, title=title, x="Recall (0 to 1)", y="Precision (0 to 1)")
    return _finish(figure, axes, fmt)


def draw_calibration(found: Calibration, label: str, fmt: PlotFormat, *, title: str) -> bytes:
    """Observed against predicted rate, beside the ideal; larger dots stand for more rows."""
    figure, axes = new_figure(5.6, 5.4)
    predicted, observed, counts = (
        [getattr(place, name) for place in found.bins] for name in ("mean_predicted", "observed_rate", "count")
    )
    sizes = [20 + 130 * count / max(counts) for count in counts]
    axes.plot(predicted, observed, color=ACCENT, linewidth=1.8, label=f"{shorten(label)} (Brier {found.brier:.3f})")
    axes.scatter(predicted, observed, s=sizes, color=ACCENT, zorder=3, label="Larger dots: more rows")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle=DASHES, label="Ideal")
    _square(axes)
    set_texts(axes, title=title, x="Mean predicted probability (0 to 1)", y="Observed rate (0 to 1)")
    return _finish(figure, axes, fmt)


def draw_lift(found: Lift, label: str, fmt: PlotFormat, *, title: str) -> bytes:
    """Gain by fraction of the rows, between chance and a perfect ranking."""
    figure, axes = new_figure(5.6, 5.4)
    fractions = [0.0, *(point.fraction for point in found.points)]
    gains = [0.0, *(point.gain for point in found.points)]
    first = found.points[0]
    name = f"{shorten(label)} (lift {first.lift:.2f} at {first.fraction:.0%})"
    _draw_curve(axes, fractions, gains, name)
    axes.plot([0, found.base_rate, 1], [0, 1, 1], color=GREEN, linewidth=1.2, linestyle=DASHES, label="Ideal")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle=DASHES, label="Chance")
    _square(axes)
    set_texts(
        axes, title=title, x="Share of rows, likeliest first (0 to 1)", y="Gain: share of positives found (0 to 1)"
    )
    return _finish(figure, axes, fmt)


def draw_thresholds(curve: ThresholdCurve, label: str, fmt: PlotFormat, *, title: str) -> bytes:
    """Precision, recall and F1 by threshold, with the best F1 marked."""
    figure, axes = new_figure(6.6, 5.0)
    thresholds = [point.threshold for point in curve.points]
    for name, words, colour in (
        ("precision", "Precision", ACCENT),
        ("recall", "Recall", ORANGE),
        ("f1_score", "F1", GREEN),
    ):
        _draw_curve(axes, thresholds, [getattr(point, name) for point in curve.points], words, colour)
    best = f"Best F1 {curve.best.value:.3f} at {curve.best.threshold:.3f}"
    axes.axvline(curve.best.threshold, color=GREY, linewidth=1.2, linestyle=DASHES, label=best)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    set_texts(axes, title=title, x=f"Threshold for {shorten(label)} (probability, 0 to 1)", y="Score (0 to 1)")
    return _finish(figure, axes, fmt)


def draw_residuals(found: Residuals, fmt: PlotFormat, *, title: str) -> bytes:
    """Residuals over predicted values, beside the ideal of none and how they are spread over the whole split."""
    figure, axes = new_figure(6.6, 5.0)
    predicted, off = ([getattr(point, name) for point in found.points] for name in ("predicted_value", "residual"))
    name = f"Residual (mean {write_number(found.mean)}, std {write_number(found.std)})"
    axes.scatter(predicted, off, s=16, color=ACCENT, alpha=0.55, linewidths=0, label=name)
    axes.axhline(0, color=GREY, linewidth=1.2, linestyle=DASHES, label="Ideal (0)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: write_number(value))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    _draw_spread(axes, found.histogram)
    set_texts(axes, title=title, x="Predicted value (target's unit)", y="True minus predicted (target's unit)")
    return _finish(figure, axes, fmt)


def _draw_spread(axes: Axes, histogram: Histogram) -> None:
    """A histogram to the right of the axes, along the same residuals."""
    beside = axes.inset_axes((1.02, 0.0, 0.16, 1.0), sharey=axes)
    beside.stairs(histogram.counts, histogram.edges, orientation="horizontal", fill=True, color=ACCENT, alpha=0.55)
    beside.tick_params(left=False, labelleft=False, bottom=False, labelbottom=False)
    beside.spines[:].set_visible(False)
    beside.set_xlabel("All rows", fontsize=10, color=INK)


def _draw_curve(
    axes: Axes, x: Sequence[float], y: Sequence[float], label: str, colour: str = ACCENT, steps: Steps = "default"
) -> None:
    """A line, its points marked where they are few: of a single one nothing would be seen."""
    marker = "o" if len(x) <= FEW_POINTS else ""
    axes.plot(x, y, color=colour, linewidth=2.2, drawstyle=steps, marker=marker, markersize=5, label=label, zorder=3)


def _square(axes: Axes) -> None:
    """Both axes from 0 to 1, of one length."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")


def _finish(figure: Figure, axes: Axes, fmt: PlotFormat) -> bytes:
    """Grid and a legend below the plot, where it hides no point."""
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    legend = axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=10, frameon=False, labelcolor=INK
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return render(figure, fmt)
