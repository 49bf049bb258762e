"""Draws what was computed of a version, as SVG or PNG files whose titles tell the version and the split."""

from collections.abc import Callable
from typing import Any, Concatenate, TypeVar

from studio.evaluation import line_plots, matrix_plots
from studio.evaluation.curves import ConfusionMatrix, RocCurve
from studio.evaluation.figures import PlotFormat
from studio.evaluation.reports import Residuals
from studio.performance.service.answers import Finding
from studio.performance.service.class_answers import OfClass

Result = TypeVar("Result")


def draw_confusion_matrix(found: Finding[ConfusionMatrix], fmt: PlotFormat) -> bytes:
    """A confusion matrix."""
    return matrix_plots.draw_confusion_matrix(found.result, fmt, title=_title_of("Confusion matrix", found))


def draw_roc_curve(found: Finding[RocCurve], fmt: PlotFormat) -> bytes:
    """A ROC curve."""
    return line_plots.draw_roc_curve(found.result, fmt, title=_title_of("ROC curve", found))


def draw_residuals(found: Finding[Residuals], fmt: PlotFormat) -> bytes:
    """Residuals."""
    return line_plots.draw_residuals(found.result, fmt, title=_title_of("Residuals", found))


def _of_class(
    draw: Callable[Concatenate[Result, str, PlotFormat, ...], bytes], subject: str
) -> Callable[[Finding[OfClass[Result]], PlotFormat], bytes]:
    """Draws what was found of one class, named in the legend."""
    return lambda found, fmt: draw(found.result.result, found.result.class_label, fmt, title=_title_of(subject, found))


draw_pr_curve = _of_class(line_plots.draw_pr_curve, "Precision and recall")
draw_calibration = _of_class(line_plots.draw_calibration, "Calibration")
draw_lift = _of_class(line_plots.draw_lift, "Lift and gain")
draw_thresholds = _of_class(line_plots.draw_thresholds, "Scores by threshold")


def _title_of(subject: str, found: Finding[Any]) -> str:
    return f"{subject}, {found.version_id} on {found.dataset_split}"
