"""Computes what is asked of a version's stored evaluation."""

from dataclasses import dataclass
from typing import Generic, TypeVar, Unpack

from studio.backends.stores import Stores
from studio.evaluation import curves
from studio.evaluation.curves import ConfusionMatrix, RocCurve
from studio.evaluation.stored import EvaluationSummary
from studio.performance.service.evaluations import (
    Asked,
    StoredEvaluation,
    check_classifier,
    find_evaluation,
    probabilities_of,
    read_predictions,
)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Finding(Generic[Result]):
    """A result and what it is of.

    Attributes:
        sample_count: Rows it was computed from.
    """

    model_id: str
    version_id: str
    dataset_split: str
    sample_count: int
    result: Result


def summarize(stores: Stores, model_id: str, **asked: Unpack[Asked]) -> Finding[EvaluationSummary]:
    """The scores of a version; raises as find_evaluation does."""
    found = find_evaluation(stores, model_id, **asked)
    return finding_of(found, found.summary)


def make_confusion_matrix(
    stores: Stores, model_id: str, *, normalize: bool, **asked: Unpack[Asked]
) -> Finding[ConfusionMatrix]:
    """Which class a version took for which.

    Raises:
        NotApplicable: The version is no classifier; other errors as in find_evaluation.
    """
    found = find_evaluation(stores, model_id, **asked)
    labels = check_classifier(found)
    predictions = read_predictions(stores, found)
    matrix = curves.confusion_matrix(
        predictions.y_true.tolist(), predictions.y_pred.tolist(), labels,
        normalize=normalize, positive_label=found.summary.positive_label,
    )  # fmt: skip
    return finding_of(found, matrix)


def make_roc_curve(
    stores: Stores, model_id: str, *, resolution: int, class_label: str | None, **asked: Unpack[Asked]
) -> Finding[RocCurve]:
    """True against false positive rate of a version.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        resolution: Most points, 2 or more.
        class_label: One class against the rest; None for the positive one of two, or the average of more.
        asked: The version and the split.

    Raises:
        NotApplicable: The version is no classifier or has no probabilities, or the split holds one class alone.
        UnknownClass: The version knows no such class; other errors as in find_evaluation.
    """
    found = find_evaluation(stores, model_id, **asked)
    labels = check_classifier(found)
    if class_label is not None:
        curves.find_class(class_label, labels)
    predictions = read_predictions(stores, found)
    curve = curves.roc_curve(
        predictions.y_true.tolist(), probabilities_of(found, predictions), labels,
        class_label=class_label, positive_label=found.summary.positive_label, resolution=resolution,
    )  # fmt: skip
    return finding_of(found, curve)


def finding_of(found: StoredEvaluation, result: Result) -> Finding[Result]:
    """A result with what it is of."""
    return Finding(found.model_id, found.version_id, found.split, found.sample_count, result)
