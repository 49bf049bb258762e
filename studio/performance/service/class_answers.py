"""Reports, and what can be said of one class against the rest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from studio.backends.stores import Stores
from studio.errors import ClassLabelRequired, NotApplicable
from studio.evaluation import class_scores, curves, line_plots, reports
from studio.evaluation.class_scores import Booleans, Calibration, Floats, Lift, PrCurve, ThresholdCurve
from studio.evaluation.figures import PlotFormat
from studio.evaluation.reports import ClassificationReport, Residuals
from studio.performance.service.answers import Finding, finding_of, title_of
from studio.performance.service.evaluations import (
    StoredEvaluation,
    check_classifier,
    find_evaluation,
    probabilities_of,
    read_predictions,
)

Result = TypeVar("Result")
NUMBER_TASKS = ("regression", "time_series")


@dataclass(frozen=True)
class OfClass(Generic[Result]):
    """A result and the class it is about."""

    class_label: str
    result: Result


def make_classification_report(
    stores: Stores, model_id: str, *, version_id: str | None, dataset_split: str, average: str
) -> Finding[ClassificationReport]:
    """Precision, recall and F1 of each class.

    Raises:
        NotApplicable: The version is no classifier; other errors as in find_evaluation.
    """
    found = find_evaluation(stores, model_id, version_id, dataset_split)
    labels = check_classifier(found)
    predictions = read_predictions(stores, found)
    report = reports.report_classes(predictions.y_true.tolist(), predictions.y_pred.tolist(), labels, average)
    return finding_of(found, report)


def make_residuals(
    stores: Stores, model_id: str, *, version_id: str | None, dataset_split: str, limit: int
) -> Finding[Residuals]:
    """How far a version's numbers are off.

    Raises:
        NotApplicable: The version predicts no numbers; other errors as in find_evaluation.
    """
    found = find_evaluation(stores, model_id, version_id, dataset_split)
    if found.summary.task not in NUMBER_TASKS:
        raise NotApplicable(f"This is for predicted numbers; version {found.version_id} does {found.summary.task}.")
    predictions = read_predictions(stores, found)
    true, pred = (np.asarray(column, dtype=np.float64) for column in (predictions.y_true, predictions.y_pred))
    return finding_of(found, reports.residuals_of(true, pred, limit))


def make_pr_curve(
    stores: Stores,
    model_id: str,
    *,
    version_id: str | None,
    dataset_split: str,
    resolution: int,
    class_label: str | None,
) -> Finding[OfClass[PrCurve]]:
    """Precision against recall of one class; errors as in _of_class."""
    found = find_evaluation(stores, model_id, version_id, dataset_split)
    return _of_class(stores, found, class_label, lambda hit, p: class_scores.pr_curve(hit, p, resolution))


def make_calibration(
    stores: Stores, model_id: str, *, version_id: str | None, dataset_split: str, bins: int, class_label: str | None
) -> Finding[OfClass[Calibration]]:
    """How far the probabilities of one class can be trusted; errors as in _of_class."""
    found = find_evaluation(stores, model_id, version_id, dataset_split)
    return _of_class(stores, found, class_label, lambda hit, p: class_scores.calibrate(hit, p, bins))


def make_lift(
    stores: Stores, model_id: str, *, version_id: str | None, dataset_split: str, bins: int, class_label: str | None
) -> Finding[OfClass[Lift]]:
    """How many of one class the likeliest rows hold; errors as in _of_class."""
    found = find_evaluation(stores, model_id, version_id, dataset_split)
    return _of_class(stores, found, class_label, lambda hit, p: class_scores.rank_lift(hit, p, bins))


def make_thresholds(
    stores: Stores,
    model_id: str,
    *,
    version_id: str | None,
    dataset_split: str,
    resolution: int,
    class_label: str | None,
) -> Finding[OfClass[ThresholdCurve]]:
    """Scores of one class by threshold; errors as in _of_class."""
    found = find_evaluation(stores, model_id, version_id, dataset_split)
    return _of_class(stores, found, class_label, lambda hit, p: class_scores.score_thresholds(hit, p, resolution))


def draw_pr_curve(found: Finding[OfClass[PrCurve]], fmt: PlotFormat) -> bytes:
    """A precision-recall curve as an SVG or PNG file."""
    of = found.result
    return line_plots.draw_pr_curve(of.result, of.class_label, fmt, title=title_of("Precision and recall", found))


def draw_calibration(found: Finding[OfClass[Calibration]], fmt: PlotFormat) -> bytes:
    """A calibration curve as an SVG or PNG file."""
    of = found.result
    return line_plots.draw_calibration(of.result, of.class_label, fmt, title=title_of("Calibration", found))


def draw_lift(found: Finding[OfClass[Lift]], fmt: PlotFormat) -> bytes:
    """A gain curve as an SVG or PNG file."""
    of = found.result
    return line_plots.draw_lift(of.result, of.class_label, fmt, title=title_of("Lift and gain", found))


def draw_thresholds(found: Finding[OfClass[ThresholdCurve]], fmt: PlotFormat) -> bytes:
    """Scores by threshold as an SVG or PNG file."""
    of = found.result
    return line_plots.draw_thresholds(of.result, of.class_label, fmt, title=title_of("Scores by threshold", found))


def draw_residuals(found: Finding[Residuals], fmt: PlotFormat) -> bytes:
    """Residuals as an SVG or PNG file."""
    return line_plots.draw_residuals(found.result, fmt, title=title_of("Residuals", found))


def _of_class(
    stores: Stores,
    found: StoredEvaluation,
    class_label: str | None,
    compute: Callable[[Booleans, Floats], Result],
) -> Finding[OfClass[Result]]:
    """What is computed of one class against the rest; the positive one by default.

    Raises:
        ClassLabelRequired: There are more than two classes and none is named.
        UnknownClass: The version knows no such class.
        NotApplicable: The version is no classifier or has no probabilities, or the split holds no row of the class.
    """
    labels = check_classifier(found)
    chosen = class_label if class_label is not None else found.summary.positive_label
    if chosen is None:
        raise ClassLabelRequired(f"Name one of the {len(labels)} classes with class_label.")
    position = curves.find_class(chosen, labels)
    predictions = read_predictions(stores, found)
    proba = probabilities_of(found, predictions)
    is_hit = curves.encode_labels(predictions.y_true.tolist(), labels) == position
    return finding_of(found, OfClass(chosen, compute(is_hit, proba[:, position])))
