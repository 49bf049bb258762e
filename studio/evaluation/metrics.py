"""The catalogue of metrics, their values and how sure one may be of them.

Every metric is a function of weighted rows. Its value is the one with all weights 1; a bootstrap resample is
the same rows with whole-number weights, so that many resamples take a few array operations.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from studio.errors import UnknownMetric
from studio.evaluation.weighted_scores import (
    CLASSIFICATION,
    REGRESSION,
    TIME_SERIES,
    ClassRows,
    FloatArray,
    Function,
    IntArray,
    NumberRows,
)


@dataclass(frozen=True)
class Metric:
    """One entry of the catalogue.

    Attributes:
        direction: Whether more or less of it is better.
        ideal: The best value there is, None where it has no bound.
    """

    name: str
    task: str
    direction: Literal["max", "min"]
    ideal: float | None


METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "classification", "max", 1.0),
    Metric("precision", "classification", "max", 1.0),
    Metric("recall", "classification", "max", 1.0),
    Metric("f1_score", "classification", "max", 1.0),
    Metric("log_loss", "classification", "min", 0.0),
    Metric("roc_auc", "classification", "max", 1.0),
    Metric("pr_auc", "classification", "max", 1.0),
    Metric("balanced_accuracy", "classification", "max", 1.0),
    Metric("mcc", "classification", "max", 1.0),
    Metric("brier", "classification", "min", 0.0),
    Metric("mae", "regression", "min", 0.0),
    Metric("mse", "regression", "min", 0.0),
    Metric("rmse", "regression", "min", 0.0),
    Metric("r2", "regression", "max", 1.0),
    Metric("adjusted_r2", "regression", "max", 1.0),
    Metric("mape", "time_series", "min", 0.0),
    Metric("smape", "time_series", "min", 0.0),
    Metric("mase", "time_series", "min", 0.0),
    Metric("silhouette", "clustering", "max", 1.0),
    Metric("calinski_harabasz", "clustering", "max", None),
    Metric("davies_bouldin", "clustering", "min", 0.0),
)
_BY_NAME = {metric.name: metric for metric in METRICS}
_PRIMARY = {"regression": "rmse", "time_series": "mase", "clustering": "silhouette"}
_CELLS_PER_CHUNK = 2_000_000
_BOOTSTRAP_ROWS = 10_000


def find_metric(name: str) -> Metric | None:
    """The catalogue's entry, None for a metric logged by custom code."""
    return _BY_NAME.get(name)


def metric_names(task: str) -> list[str]:
    """Names of the catalogue's metrics of one task type, in the catalogue's order; forecasts have the numbers' too."""
    tasks = ("regression", task) if task == "time_series" else (task,)
    return [metric.name for metric in METRICS if metric.task in tasks]


def primary_metric(task: str, n_classes: int | None = None) -> str:
    """The metric a task type is optimized for when nobody says otherwise.

    Args:
        task: ``classification``, ``regression``, ``time_series`` or ``clustering``.
        n_classes: Number of classes, for classification only.
    """
    if task == "classification":
        return "roc_auc" if n_classes is None or n_classes <= 2 else "log_loss"
    return _PRIMARY[task]


def direction_of(name: str) -> Literal["max", "min"]:
    """Direction of any metric; outside the catalogue ``min`` for names that end in ``loss`` or ``error``."""
    if name in _BY_NAME:
        return _BY_NAME[name].direction
    return "min" if name.endswith(("loss", "error")) else "max"


def difference(a: float, b: float) -> float | None:
    """``a - b`` as the decimal figures say it: 0.3 - 0.2 is 0.1. None where it is beyond all numbers."""
    exact = float(Decimal(repr(float(a))) - Decimal(repr(float(b))))
    return exact if math.isfinite(exact) else None


def is_better(name: str, a: float | None, b: float | None) -> bool:
    """True where value ``a`` of the metric beats value ``b``; a value beats None, equals do not."""
    if a is None or b is None:
        return a is not None
    return a > b if direction_of(name) == "max" else a < b


def compute_metrics(
    task: str,
    y_true: Sequence[Any] | npt.NDArray[Any],
    y_pred: Sequence[Any] | npt.NDArray[Any],
    proba: FloatArray | None = None,
    labels: Sequence[str] | None = None,
    positive_label: str | None = None,
    n_features: int | None = None,
    naive_error: float | FloatArray | None = None,
) -> dict[str, float | None]:
    """Every metric of the task type on one split.

    Args:
        task: ``classification``, ``regression`` or ``time_series`` (which adds to regression).
        y_true: Labels (strings) or numbers of shape (n_rows,).
        y_pred: Predictions of shape (n_rows,).
        proba: Class probabilities of shape (n_rows, n_labels), columns as in ``labels``; None leaves
            the metrics that need them None.
        labels: All classes; None takes those in ``y_true`` and ``y_pred``, sorted.
        positive_label: Which of two labels is the positive one; None takes the second.
        n_features: Number of input columns, for ``adjusted_r2``.
        naive_error: Mean absolute error of the naive forecast one step ahead on the training rows, for ``mase``;
            of each row's series where there are several, NaN where it is undefined.

    Returns:
        Value by name; None where it is undefined (no rows, one class only, no probabilities), never NaN.
    """
    functions, rows = _functions_of(task, y_true, y_pred, proba, labels, positive_label, n_features, naive_error)
    if rows.n_rows == 0:
        return dict.fromkeys(functions)
    weights = np.ones((1, rows.n_rows))
    return {name: _finite(function(rows, weights)[0]) for name, function in functions.items()}


def bootstrap_intervals(
    task: str,
    y_true: Sequence[Any] | npt.NDArray[Any],
    y_pred: Sequence[Any] | npt.NDArray[Any],
    proba: FloatArray | None = None,
    labels: Sequence[str] | None = None,
    positive_label: str | None = None,
    n_features: int | None = None,
    naive_error: float | FloatArray | None = None,
    *,
    n_resamples: int = 200,
    confidence: float = 0.95,
    random_state: int = 0,
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals (Efron & Tibshirani 1993, chapter 13) of every metric that is defined.

    Over 10 000 rows a random 10 000 of them are resampled and the deviations from their value shrunk by
    sqrt(10 000 / n_rows), the rate at which standard errors fall, around the value of all rows.

    Args:
        n_resamples: How many times the rows are drawn anew with replacement.
        confidence: Share of resampled values inside the interval, above 0 and below 1.
        random_state: Seed; the same one gives the same intervals.

    Returns:
        (low, high) by name. A metric undefined on the rows, or on over half of the resamples, is absent.
    """
    functions, rows = _functions_of(task, y_true, y_pred, proba, labels, positive_label, n_features, naive_error)
    if rows.n_rows == 0:
        return {}
    rng = np.random.default_rng(random_state)
    sample, shrink = rows, 1.0
    if rows.n_rows > _BOOTSTRAP_ROWS:
        sample = rows.take(np.sort(rng.choice(rows.n_rows, _BOOTSTRAP_ROWS, replace=False)))
        shrink = float(np.sqrt(_BOOTSTRAP_ROWS / rows.n_rows))
    draws = _resample(functions, sample, n_resamples, rng)
    intervals = {}
    for name, function in functions.items():
        value = _finite(function(rows, np.ones((1, rows.n_rows)))[0])
        center = value if sample is rows else _finite(function(sample, np.ones((1, sample.n_rows)))[0])
        values = draws[name][np.isfinite(draws[name])]
        if value is None or center is None or 2 * len(values) <= n_resamples:
            continue
        low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
        intervals[name] = (value + shrink * (float(low) - center), value + shrink * (float(high) - center))
    return intervals


def score_codes(
    name: str, true: IntArray, pred: IntArray, proba: FloatArray | None, n_labels: int, positive: int
) -> float | None:
    """One classification metric of label codes 0..n_labels-1; the fast way in for a search.

    Raises:
        UnknownMetric: There is no classification metric of that name.
    """
    rows = ClassRows(true, pred, proba, n_labels, positive)
    return _score(CLASSIFICATION, name, rows)


def score_numbers(name: str, true: FloatArray, pred: FloatArray, n_features: int) -> float | None:
    """One regression metric; the fast way in for a search.

    Raises:
        UnknownMetric: There is no regression metric of that name.
    """
    return _score(REGRESSION, name, NumberRows(true, pred, n_features, None))


def score_forecasts(
    name: str, true: FloatArray, pred: FloatArray, n_features: int, naive_errors: FloatArray
) -> float | None:
    """One metric of forecasts; the fast way in for a search.

    Args:
        naive_errors: Of each row's series.

    Raises:
        UnknownMetric: There is no time series metric of that name.
    """
    return _score(REGRESSION | TIME_SERIES, name, NumberRows(true, pred, n_features, naive_errors))


def _functions_of(
    task: str,
    y_true: Sequence[Any] | npt.NDArray[Any],
    y_pred: Sequence[Any] | npt.NDArray[Any],
    proba: FloatArray | None,
    labels: Sequence[str] | None,
    positive_label: str | None,
    n_features: int | None,
    naive_error: float | FloatArray | None,
) -> tuple[Mapping[str, Function], ClassRows | NumberRows]:
    if task == "classification":
        return CLASSIFICATION, _class_rows(y_true, y_pred, proba, labels, positive_label)
    true, pred = np.asarray(y_true, dtype=np.float64), np.asarray(y_pred, dtype=np.float64)
    numbers = NumberRows(true, pred, n_features, naive_error)
    return (REGRESSION | TIME_SERIES if task == "time_series" else REGRESSION), numbers


def _class_rows(
    y_true: Iterable[Any],
    y_pred: Iterable[Any],
    proba: FloatArray | None,
    labels: Sequence[str] | None,
    positive_label: str | None,
) -> ClassRows:
    (true, true_names), (pred, pred_names) = _factorize(y_true), _factorize(y_pred)
    known = [] if labels is None else [str(label) for label in labels]
    unseen = sorted({*true_names, *pred_names} - set(known))
    index = pd.Index(known + unseen)
    n_labels = max(len(index), 2)
    if proba is not None and proba.shape[1] < n_labels:
        proba = np.hstack([proba, np.zeros((len(proba), n_labels - proba.shape[1]))])
    positive = len(index) - 1 if positive_label is None else int(index.get_indexer(pd.Index([positive_label]))[0])
    places = [index.get_indexer(pd.Index(names)).astype(np.int64) for names in (true_names, pred_names)]
    return ClassRows(places[0][true], places[1][pred], proba, n_labels, positive)


def _factorize(values: Iterable[Any]) -> tuple[IntArray, list[str]]:
    """Labels as positions among their texts; a text may come twice."""
    column = values if isinstance(values, np.ndarray) else np.array(list(values), dtype=object)
    codes, known = pd.factorize(column, use_na_sentinel=False)
    return codes.astype(np.int64), [str(value) for value in known.tolist()]


def _score(functions: Mapping[str, Function], name: str, rows: ClassRows | NumberRows) -> float | None:
    if name not in functions:
        raise UnknownMetric(f"There is no metric {name!r} for this task.", known=sorted(functions))
    if rows.n_rows == 0:
        return None
    return _finite(functions[name](rows, np.ones((1, rows.n_rows)))[0])


def _finite(value: np.floating[Any]) -> float | None:
    return float(value) if np.isfinite(value) else None


def _resample(
    functions: Mapping[str, Function],
    rows: ClassRows | NumberRows,
    n_resamples: int,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    values: dict[str, list[FloatArray]] = {name: [] for name in functions}
    step = max(1, _CELLS_PER_CHUNK // rows.n_rows)
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        draws = rng.integers(rows.n_rows, size=(size, rows.n_rows))
        weights = np.stack([np.bincount(draw, minlength=rows.n_rows) for draw in draws]).astype(np.float64)
        for name, function in functions.items():
            values[name].append(function(rows, weights))
    return {name: np.concatenate(parts) for name, parts in values.items()}
