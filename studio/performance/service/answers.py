"""Computes what is asked of a version's stored evaluation, and draws it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from studio.backends.stores import Stores
from studio.evaluation import curves, plots
from studio.evaluation.curves import ConfusionMatrix, RocCurve
from studio.evaluation.figures import PlotFormat
from studio.evaluation.stored import EvaluationSummary
from studio.performance.service.evaluations import (
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


def summarize(
    stores: Stores, model_id: str, *, version_id: str | None, dataset_split: str
) -> Finding[EvaluationSummary]:
    """The scores of a version; raises as find_evaluation does."""
    found = find_evaluation(stores, model_id, version_id, dataset_split)
    return finding_of(found, found.summary)


def make_confusion_matrix(
    stores: Stores, model_id: str, *, version_id: str | None, dataset_split: str, normalize: bool
) -> Finding[ConfusionMatrix]:
    """Which class a version took for which.

    Raises:
        NotApplicable: The version is no classifier; other errors as in find_evaluation.
    """
    found = find_evaluation(stores, model_id, version_id, dataset_split)
    labels = check_classifier(found)
    predictions = read_predictions(stores, found)
    matrix = curves.confusion_matrix(
        predictions.y_true.tolist(), predictions.y_pred.tolist(), labels,
        normalize=normalize, positive_label=found.summary.positive_label,
    )  # fmt: skip
    return finding_of(found, matrix)


def make_roc_curve(
    stores: Stores,
    model_id: str,
    *,
    version_id: str | None,
    dataset_split: str,
    resolution: int,
    class_label: str | None,
) -> Finding[RocCurve]:
    """True against false positive rate of a version.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        version_id: Id of the version, None for the promoted one.
        dataset_split: ``train``, ``validation`` or ``test``.
        resolution: Most points, 2 or more.
        class_label: One class against the rest; None for the positive one of two, or the average of more.

    Raises:
        NotApplicable: The version is no classifier or has no probabilities, or the split holds one class alone.
        UnknownClass: The version knows no such class; other errors as in find_evaluation.
    """
    found = find_evaluation(stores, model_id, version_id, dataset_split)
    labels = check_classifier(found)
    if class_label is not None:
        curves.find_class(class_label, labels)
    predictions = read_predictions(stores, found)
    curve = curves.roc_curve(
        predictions.y_true.tolist(), probabilities_of(found, predictions), labels,
        class_label=class_label, positive_label=found.summary.positive_label, resolution=resolution,
    )  # fmt: skip
    return finding_of(found, curve)


def draw_confusion_matrix(found: Finding[ConfusionMatrix], fmt: PlotFormat) -> bytes:
    """A confusion matrix as an SVG or PNG file."""
    return plots.draw_confusion_matrix(found.result, fmt, title=title_of("Confusion matrix", found))


def draw_roc_curve(found: Finding[RocCurve], fmt: PlotFormat) -> bytes:
    """A ROC curve as an SVG or PNG file."""
    return plots.draw_roc_curve(found.result, fmt, title=title_of("ROC curve", found))


def finding_of(found: StoredEvaluation, result: Result) -> Finding[Result]:
    """A result with what it is of."""
    return Finding(found.model_id, found.version_id, found.split, found.sample_count, result)


def title_of(subject: str, found: Finding[Result]) -> str:
    """Above a drawing: what it shows, of which version, on which split."""
    return f"{subject}, {found.version_id} on {found.dataset_split}"
