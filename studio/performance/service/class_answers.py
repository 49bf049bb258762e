"""Reports, and what can be said of one class against the rest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, Unpack

import numpy as np

from studio.backends.stores import Stores
from studio.errors import ClassLabelRequired, NotApplicable
from studio.evaluation import class_scores, curves, reports
from studio.evaluation.class_scores import Booleans, Calibration, Floats, Lift, PrCurve, ThresholdCurve
from studio.evaluation.reports import ClassificationReport, Residuals
from studio.performance.service.answers import Finding, finding_of
from studio.performance.service.evaluations import (
    Asked,
    check_classifier,
    find_evaluation,
    probabilities_of,
    read_predictions,
)

Result = TypeVar("Result")
NUMBER_TASKS = ("regression", "time_series")


class AskedOfClass(Asked):
    """What is asked about, and the class seen against the rest; None for the positive one of two."""

    class_label: str | None


@dataclass(frozen=True)
class OfClass(Generic[Result]):
    """A result and the class it is about."""

    class_label: str
    result: Result


def make_classification_report(
    stores: Stores, model_id: str, *, average: str, **asked: Unpack[Asked]
) -> Finding[ClassificationReport]:
    """Precision, recall and F1 of each class.

    Raises:
        NotApplicable: The version is no classifier; other errors as in find_evaluation.
    """
    found = find_evaluation(stores, model_id, **asked)
    labels = check_classifier(found)
    predictions = read_predictions(stores, found)
    report = reports.report_classes(predictions.y_true.tolist(), predictions.y_pred.tolist(), labels, average)
    return finding_of(found, report)


def make_residuals(stores: Stores, model_id: str, *, limit: int, **asked: Unpack[Asked]) -> Finding[Residuals]:
    """How far a version's numbers are off.

    Raises:
        NotApplicable: The version predicts no numbers; other errors as in find_evaluation.
    """
    found = find_evaluation(stores, model_id, **asked)
    if found.summary.task not in NUMBER_TASKS:
        raise NotApplicable(f"This is for predicted numbers; version {found.version_id} does {found.summary.task}.")
    predictions = read_predictions(stores, found)
    true, pred = (np.asarray(column, dtype=np.float64) for column in (predictions.y_true, predictions.y_pred))
    return finding_of(found, reports.residuals_of(true, pred, limit, predictions.times))


def make_pr_curve(
    stores: Stores, model_id: str, *, resolution: int, **asked: Unpack[AskedOfClass]
) -> Finding[OfClass[PrCurve]]:
    """Precision against recall of one class; errors as in find_of_class."""
    return find_of_class(stores, model_id, lambda hit, p: class_scores.pr_curve(hit, p, resolution), **asked)


def make_calibration(
    stores: Stores, model_id: str, *, bins: int, **asked: Unpack[AskedOfClass]
) -> Finding[OfClass[Calibration]]:
    """How far the probabilities of one class can be trusted; errors as in find_of_class."""
    return find_of_class(stores, model_id, lambda hit, p: class_scores.calibrate(hit, p, bins), **asked)


def make_lift(stores: Stores, model_id: str, *, bins: int, **asked: Unpack[AskedOfClass]) -> Finding[OfClass[Lift]]:
    """How many of one class the likeliest rows hold; errors as in find_of_class."""
    return find_of_class(stores, model_id, lambda hit, p: class_scores.rank_lift(hit, p, bins), **asked)


def make_thresholds(
    stores: Stores, model_id: str, *, resolution: int, **asked: Unpack[AskedOfClass]
) -> Finding[OfClass[ThresholdCurve]]:
    """Scores of one class by threshold; errors as in find_of_class."""
    return find_of_class(stores, model_id, lambda hit, p: class_scores.score_thresholds(hit, p, resolution), **asked)


def find_of_class(
    stores: Stores,
    model_id: str,
    compute: Callable[[Booleans, Floats], Result],
    *,
    class_label: str | None,
    **asked: Unpack[Asked],
) -> Finding[OfClass[Result]]:
    """What is computed of one class against the rest.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        compute: Takes which rows are of the class and its probabilities, each of shape (n_rows,).
        class_label: The class; None for the positive one of two.
        asked: The version and the split.

    Raises:
        ClassLabelRequired: There are more than two classes and none is named.
        UnknownClass: The version knows no such class.
        NotApplicable: The version is no classifier or has no probabilities, or the split holds no row of the class;
            other errors as in find_evaluation.
    """
    found = find_evaluation(stores, model_id, **asked)
    labels = check_classifier(found)
    chosen = class_label if class_label is not None else found.summary.positive_label
    if chosen is None:
        raise ClassLabelRequired(f"Name one of the {len(labels)} classes with class_label.")
    position = curves.find_class(chosen, labels)
    predictions = read_predictions(stores, found)
    proba = probabilities_of(found, predictions)
    is_hit = curves.encode_labels(predictions.y_true.tolist(), labels) == position
    return finding_of(found, OfClass(chosen, compute(is_hit, proba[:, position])))
