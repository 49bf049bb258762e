"""What can be said of a version's quality."""

from studio.performance.service.answers import Finding, make_confusion_matrix, make_roc_curve, summarize
from studio.performance.service.class_answers import (
    OfClass,
    make_calibration,
    make_classification_report,
    make_lift,
    make_pr_curve,
    make_residuals,
    make_thresholds,
)
from studio.performance.service.drawings import (
    draw_calibration,
    draw_confusion_matrix,
    draw_lift,
    draw_pr_curve,
    draw_residuals,
    draw_roc_curve,
    draw_thresholds,
)
from studio.performance.service.row_answers import ErrorRow, Mistaken, SlicesBy, list_errors, make_slices

__all__ = [
    "ErrorRow",
    "Finding",
    "Mistaken",
    "OfClass",
    "SlicesBy",
    "draw_calibration",
    "draw_confusion_matrix",
    "draw_lift",
    "draw_pr_curve",
    "draw_residuals",
    "draw_roc_curve",
    "draw_thresholds",
    "list_errors",
    "make_calibration",
    "make_classification_report",
    "make_confusion_matrix",
    "make_lift",
    "make_pr_curve",
    "make_residuals",
    "make_roc_curve",
    "make_slices",
    "make_thresholds",
    "summarize",
]
