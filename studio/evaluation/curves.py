"""Matrices and curves of a classifier, from stored labels and probabilities.

Labels are text throughout. Each result is a frozen dataclass of plain Python values, ready for JSON and for
``plots.py``; a curve thins its points by ``thinning.py`` after its area was taken from all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import auc
from sklearn.metrics import roc_curve as count_rates

from studio.errors import NotApplicable, UnknownClass
from studio.evaluation.thinning import thin

POSITIVE_LABELS = ("1", "true", "yes", "positive")
MACRO_POINTS = 2_000

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


@dataclass(frozen=True)
class BinaryCounts:
    """The four counts of two classes, seen from the positive one."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    positive_label: str


@dataclass(frozen=True)
class ConfusionMatrix:
    """Rows are true classes, columns predicted ones, both in the order of ``labels``.

    Attributes:
        labels: Of the classes.
        matrix: Counts, or shares 0 to 1 of the true class when ``normalize``.
        normalize: Whether rows sum to 1; those of a class without samples are zeros.
        binary: Counts, for two classes only.
    """

    labels: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    normalize: bool
    binary: BinaryCounts | None


@dataclass(frozen=True)
class RocPoint:
    """The two rates when all scores from a threshold on are called positive; None is above all scores."""

    threshold: float | None
    fpr: float
    tpr: float


@dataclass(frozen=True)
class RocCurve:
    """A receiver operating characteristic from (0, 0) to (1, 1).

    Attributes:
        class_label: The class it is about; None for the average of all.
        average: ``macro`` for the average, otherwise None.
        points: In the order of rising rates.
        roc_auc: Area under the curve of all points, 0 to 1; 0.5 is chance.
    """

    class_label: str | None
    average: str | None
    points: tuple[RocPoint, ...]
    roc_auc: float


def positive_label_of(labels: Sequence[str], train_counts: Mapping[str, int]) -> str | None:
    """The label a two-class model calls positive.

    Args:
        labels: Of the classes.
        train_counts: Rows of each class in the training split; a class left out has none.

    Returns:
        The one that is ``1``, ``true``, ``yes`` or ``positive`` in any case, if exactly one is; else the
        rarer one; else the last in sorted order. None unless there are two classes.
    """
    if len(labels) != 2:
        return None
    telling = [label for label in labels if label.lower() in POSITIVE_LABELS]
    if len(telling) == 1:
        return telling[0]
    first, last = sorted(labels)
    return first if train_counts.get(first, 0) < train_counts.get(last, 0) else last


def confusion_matrix(
    y_true: Sequence[str],
    y_pred: Sequence[str],
    labels: Sequence[str],
    *,
    normalize: bool = False,
    positive_label: str | None = None,
) -> ConfusionMatrix:
    """Count which class was predicted for which.

    Args:
        y_true: True labels, of shape (n_samples,).
        y_pred: Predicted labels, of shape (n_samples,).
        labels: All classes, sorted.
        normalize: Divide each row by its sum.
        positive_label: Of two classes; by default ``positive_label_of`` the true labels given.

    Raises:
        ValueError: A value is none of the labels.
    """
    true, pred = encode_labels(y_true, labels), encode_labels(y_pred, labels)
    n_labels = len(labels)
    counts = np.bincount(true * n_labels + pred, minlength=n_labels * n_labels).reshape(n_labels, n_labels)
    binary = None
    if n_labels == 2:
        sizes = dict(zip(labels, counts.sum(axis=1).tolist(), strict=True))
        binary = _seen_from(positive_label or positive_label_of(labels, sizes), labels, counts)
    cells = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) if normalize else counts
    return ConfusionMatrix(tuple(labels), tuple(tuple(row) for row in cells.tolist()), normalize, binary)


def _seen_from(positive: str | None, labels: Sequence[str], counts: npt.NDArray[np.intp]) -> BinaryCounts:
    """Two classes' counts from the positive one's view."""
    if positive is None or positive not in labels:
        raise ValueError(f"{positive!r} is none of the labels")
    hit = list(labels).index(positive)
    miss = 1 - hit
    return BinaryCounts(
        true_positive=int(counts[hit, hit]),
        false_positive=int(counts[miss, hit]),
        false_negative=int(counts[hit, miss]),
        true_negative=int(counts[miss, miss]),
        positive_label=positive,
    )


def roc_curve(
    y_true: Sequence[str],
    proba: npt.ArrayLike,
    labels: Sequence[str],
    *,
    class_label: str | None = None,
    positive_label: str | None = None,
    resolution: int = 100,
) -> RocCurve:
    """True against false positive rate, by threshold.

    Args:
        y_true: True labels, of shape (n_samples,).
        proba: Probabilities, of shape (n_samples, n_labels), columns in the order of ``labels``.
        labels: All classes, sorted, two or more.
        class_label: One class against the rest. By default the positive label's curve for two classes, for
            more the macro average of all one-against-rest curves, without classes the split does not hold.
        positive_label: Of two classes; by default ``positive_label_of`` the true labels given.
        resolution: Most points, 2 or more.

    Raises:
        UnknownClass: ``class_label`` is none of the labels.
        NotApplicable: The split does not hold both the class and another one, so that a rate is undefined.
        ValueError: A true label is none of the labels.
    """
    codes = encode_labels(y_true, labels)
    scores = np.asarray(proba, dtype=np.float64)
    if class_label is None and len(labels) > 2:
        return _macro_roc(codes, scores, resolution)
    sizes = dict(zip(labels, np.bincount(codes, minlength=len(labels)).tolist(), strict=True))
    chosen = class_label or positive_label or positive_label_of(labels, sizes)
    position = find_class(chosen, labels)
    rates = _rates(codes, scores, position)
    if rates is None:
        raise NotApplicable(f"The split holds no row of class {chosen!r}, or no other rows: there is no curve.")
    fpr, tpr, thresholds = rates
    kept = thin(fpr, tpr, resolution)
    points = zip(thresholds[kept].tolist(), fpr[kept].tolist(), tpr[kept].tolist(), strict=True)
    return RocCurve(
        class_label=chosen,
        average=None,
        points=tuple(RocPoint(value if np.isfinite(value) else None, f, t) for value, f, t in points),
        roc_auc=float(auc(fpr, tpr)),
    )


def find_class(label: str | None, labels: Sequence[str]) -> int:
    """Position of a class among the labels.

    Raises:
        UnknownClass: It is none of them.
    """
    if label is None or label not in labels:
        known = ", ".join(labels[:20])
        raise UnknownClass(f"The model has no class {label!r}; it has {known}.", class_label=label)
    return list(labels).index(label)


def _macro_roc(codes: Codes, scores: Floats, resolution: int) -> RocCurve:
    """The average of the one-against-rest curves, each class counting the same."""
    curves = [rates for position in range(scores.shape[1]) if (rates := _rates(codes, scores, position))]
    if not curves:
        raise NotApplicable("The split holds rows of one class only: there is no curve.")
    area = float(np.mean([auc(fpr, tpr) for fpr, tpr, _ in curves]))
    thinned = [(fpr[kept], tpr[kept]) for fpr, tpr, _ in curves for kept in [thin(fpr, tpr, MACRO_POINTS)]]
    grid = np.unique(np.concatenate([fpr for fpr, _ in thinned]))
    mean = np.mean([np.interp(grid, fpr, tpr) for fpr, tpr in thinned], axis=0)
    x, y = np.concatenate([[0.0], grid]), np.concatenate([[0.0], mean])
    kept = thin(x, y, resolution)
    points = zip(x[kept].tolist(), y[kept].tolist(), strict=True)
    return RocCurve(None, "macro", tuple(RocPoint(None, fpr, tpr) for fpr, tpr in points), area)


def _rates(codes: Codes, scores: Floats, position: int) -> tuple[Floats, Floats, Floats] | None:
    """False and true positive rates and thresholds of one class against the rest; None where undefined."""
    is_hit = codes == position
    if is_hit.all() or not is_hit.any():
        return None
    fpr, tpr, thresholds = count_rates(is_hit, scores[:, position])
    return fpr, tpr, thresholds


def encode_labels(values: Sequence[str], labels: Sequence[str]) -> Codes:
    """Positions among the labels, of shape (n_values,).

    Raises:
        ValueError: A value is none of them.
    """
    codes = np.asarray(pd.Index(labels).get_indexer(pd.Index(values)))
    if (codes < 0).any():
        raise ValueError(f"{values[int(np.argmin(codes))]!r} is none of the labels")
    return codes
