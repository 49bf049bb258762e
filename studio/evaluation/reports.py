"""Tables of a classifier's scores by class, and the residuals of a regression."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from studio.evaluation.curves import encode_labels

Floats = npt.NDArray[np.float64]
MOST_BINS = 40


@dataclass(frozen=True)
class ClassScores:
    """Of one class against the rest; ``support`` counts its true rows."""

    label: str
    precision: float
    recall: float
    f1_score: float
    support: int


@dataclass(frozen=True)
class OverallScores:
    """Of all classes, averaged in the way ``average`` says."""

    average: str
    precision: float
    recall: float
    f1_score: float
    support: int


@dataclass(frozen=True)
class ClassificationReport:
    """Scores of each class, in the order of the labels, and of all."""

    classes: tuple[ClassScores, ...]
    overall: OverallScores
    accuracy: float


@dataclass(frozen=True)
class ResidualPoint:
    """One row; residual is true minus predicted. ``timestamp`` is that of a time series' row, in UTC."""

    true_value: float
    predicted_value: float
    residual: float
    timestamp: datetime | None = None


@dataclass(frozen=True)
class Histogram:
    """``counts[i]`` values from ``edges[i]`` to ``edges[i + 1]``, the last bin with its upper edge."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Residuals:
    """Some rows; mean, standard deviation (of the population) and histogram are of all."""

    points: tuple[ResidualPoint, ...]
    mean: float
    std: float
    histogram: Histogram


def report_classes(
    y_true: Sequence[str], y_pred: Sequence[str], labels: Sequence[str], average: str
) -> ClassificationReport:
    """Precision, recall and F1 by class; an undefined ratio is 0.

    Args:
        y_true: True labels, of shape (n_samples,), at least one.
        y_pred: Predicted labels, likewise.
        labels: All classes, sorted.
        average: ``micro``, ``macro`` or ``weighted`` by support.

    Raises:
        ValueError: A value is none of the labels.
    """
    true, pred = encode_labels(y_true, labels), encode_labels(y_pred, labels)
    n_labels, n_rows = len(labels), len(true)
    support, called = (np.bincount(codes, minlength=n_labels) for codes in (true, pred))
    hits = np.bincount(true[true == pred], minlength=n_labels)
    table = np.array([hits / np.maximum(called, 1), hits / np.maximum(support, 1), np.zeros(n_labels)])
    table[2] = 2 * hits / np.maximum(called + support, 1)
    accuracy = float(hits.sum() / n_rows)
    if average == "micro":
        precision = recall = f1 = accuracy
    else:
        weights = support / n_rows if average == "weighted" else np.full(n_labels, 1 / n_labels)
        precision, recall, f1 = (table @ weights).tolist()
    rows = zip(labels, *table.tolist(), support.tolist(), strict=True)
    return ClassificationReport(
        tuple(ClassScores(*row) for row in rows), OverallScores(average, precision, recall, f1, n_rows), accuracy
    )


def residuals_of(
    y_true: Floats, y_pred: Floats, limit: int, times: npt.NDArray[np.datetime64] | None = None
) -> Residuals:
    """How far predictions are off.

    Args:
        y_true: True values, of shape (n_samples,), at least one.
        y_pred: Predicted values, likewise.
        limit: Most points, spread evenly over the rows.
        times: Time stamp of each row, in UTC; the points then come in order of time.
    """
    if times is not None:
        order = np.argsort(times, kind="stable")
        y_true, y_pred, times = y_true[order], y_pred[order], times[order]
    off = y_true - y_pred
    chosen = np.unique(np.linspace(0, len(off) - 1, min(limit, len(off))).round().astype(int))
    columns = (y_true[chosen], y_pred[chosen], off[chosen])
    points = zip(*(column.tolist() for column in columns), _moments(times, chosen), strict=True)
    # Squares of huge values would be infinite.
    scale = float(np.abs(off).max()) or 1.0
    return Residuals(
        points=tuple(ResidualPoint(*row) for row in points),
        mean=float(np.mean(off / scale)) * scale,
        std=float(np.std(off / scale)) * scale,
        histogram=_histogram(off),
    )


def _moments(times: npt.NDArray[np.datetime64] | None, chosen: npt.NDArray[np.int_]) -> list[datetime | None]:
    if times is None:
        return [None] * len(chosen)
    return [moment.replace(tzinfo=UTC) for moment in times[chosen].astype("datetime64[us]").tolist()]


def _histogram(values: Floats) -> Histogram:
    n_bins = int(np.clip(np.ceil(np.sqrt(len(values))), 1, MOST_BINS))
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high, n_bins + 1)
    if not (np.diff(edges) > 0).all():
        # All the same, or so close that numbers between them cannot be told apart.
        edges = np.array([low, high if high > low else max(low + 1.0, float(np.nextafter(low, np.inf)))])
    counts, _ = np.histogram(values, bins=edges)
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()))
