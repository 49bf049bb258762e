"""Metrics as functions of weighted rows, many weightings at once; `metrics.py` says what they are for."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassRows:
    """Classified rows as label codes; a task of two labels has ``n_labels`` 2."""

    true: IntArray
    pred: IntArray
    proba: FloatArray | None
    n_labels: int
    positive: int

    @property
    def n_rows(self) -> int:
        """How many rows."""
        return len(self.true)

    @property
    def is_binary(self) -> bool:
        """True where precision, recall and areas are those of one positive label."""
        return self.n_labels == 2

    def take(self, rows: IntArray) -> "ClassRows":
        """The given rows alone."""
        proba = None if self.proba is None else self.proba[rows]
        return dataclasses.replace(self, true=self.true[rows], pred=self.pred[rows], proba=proba)


@dataclass(frozen=True)
class NumberRows:
    """Rows of a regression or forecast."""

    true: FloatArray
    pred: FloatArray
    n_features: int | None
    naive_error: float | FloatArray | None

    @property
    def n_rows(self) -> int:
        """How many rows."""
        return len(self.true)

    def take(self, rows: IntArray) -> "NumberRows":
        """The given rows alone."""
        naive = self.naive_error[rows] if isinstance(self.naive_error, np.ndarray) else self.naive_error
        return dataclasses.replace(self, true=self.true[rows], pred=self.pred[rows], naive_error=naive)


Function = Callable[[Any, FloatArray], FloatArray]  # rows, weights (n_resamples, n_rows) -> (n_resamples,)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Above over below, NaN where below is 0."""
    out: FloatArray = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=out, where=below != 0)
    return out


def _mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        return _ratio(weights @ values, weights.sum(axis=1))


def _confusion(rows: ClassRows, weights: FloatArray) -> FloatArray:
    """Of shape (n_resamples, n_labels true, n_labels predicted)."""
    k = rows.n_labels
    cells = rows.true * k + rows.pred
    counts = [np.bincount(cells, row, k * k) for row in weights]
    return np.stack(counts).astype(np.float64).reshape(-1, k, k)


def _accuracy(rows: ClassRows, weights: FloatArray) -> FloatArray:
    return _mean((rows.true == rows.pred).astype(np.float64), weights)


def _per_class(kind: str, rows: ClassRows, weights: FloatArray) -> FloatArray:
    table = _confusion(rows, weights)
    hits = np.diagonal(table, axis1=1, axis2=2)
    actual, predicted = table.sum(axis=2), table.sum(axis=1)
    below = {"precision": predicted, "recall": actual, "f1_score": (actual + predicted) / 2}[kind]
    values = _ratio(hits, below)
    if rows.is_binary:
        return values[:, rows.positive]
    return _ratio((np.nan_to_num(values) * actual).sum(axis=1), actual.sum(axis=1))


def _balanced_accuracy(rows: ClassRows, weights: FloatArray) -> FloatArray:
    table = _confusion(rows, weights)
    actual = table.sum(axis=2)
    recalls = np.nan_to_num(_ratio(np.diagonal(table, axis1=1, axis2=2), actual))
    return _ratio(recalls.sum(axis=1), (actual > 0).sum(axis=1).astype(np.float64))


def _mcc(rows: ClassRows, weights: FloatArray) -> FloatArray:
    """Gorodkin's generalisation of the correlation to any number of classes."""
    table = _confusion(rows, weights)
    actual, predicted, total = table.sum(axis=2), table.sum(axis=1), table.sum(axis=(1, 2))
    hits = np.trace(table, axis1=1, axis2=2)
    above = hits * total - (actual * predicted).sum(axis=1)
    spread = (total**2 - (predicted**2).sum(axis=1)) * (total**2 - (actual**2).sum(axis=1))
    # Predictions that are all the same are not correlated with a truth that varies.
    is_blind = (total**2 == (predicted**2).sum(axis=1)) & (total**2 > (actual**2).sum(axis=1))
    return np.where(is_blind, 0.0, _ratio(above, np.sqrt(np.maximum(spread, 0.0))))


def _log_loss(rows: ClassRows, weights: FloatArray) -> FloatArray:
    if rows.proba is None:
        return np.full(len(weights), np.nan)
    eps = np.finfo(np.float64).eps
    total = rows.proba.sum(axis=1)
    chosen = _ratio(rows.proba[np.arange(rows.n_rows), rows.true], total)
    return _mean(-np.log(np.clip(chosen, eps, 1 - eps)), weights)


def _brier(rows: ClassRows, weights: FloatArray) -> FloatArray:
    if rows.proba is None:
        return np.full(len(weights), np.nan)
    hit = np.eye(rows.n_labels)[rows.true]
    squares = (rows.proba - hit) ** 2
    return _mean(squares[:, rows.positive] if rows.is_binary else squares.sum(axis=1), weights)


def _one_versus_rest(
    curve: Callable[[FloatArray, npt.NDArray[np.bool_], FloatArray], FloatArray],
    rows: ClassRows,
    weights: FloatArray,
) -> FloatArray:
    """The positive label's area for two classes, the mean over the classes that occur for more."""
    if rows.proba is None:
        return np.full(len(weights), np.nan)
    classes = [rows.positive] if rows.is_binary else list(range(rows.n_labels))
    areas = np.stack([curve(rows.proba[:, k], rows.true == k, weights) for k in classes])
    known = np.isfinite(areas)
    return _ratio(np.where(known, areas, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def _curve_counts(
    scores: FloatArray, is_hit: npt.NDArray[np.bool_], weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Weights of the hits and of the others per distinct score, highest score first."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    hits = weights[:, order] * is_hit[order]
    others = weights[:, order] * ~is_hit[order]
    return np.add.reduceat(hits, starts, axis=1), np.add.reduceat(others, starts, axis=1)


def _roc_area(scores: FloatArray, is_hit: npt.NDArray[np.bool_], weights: FloatArray) -> FloatArray:
    hits, others = _curve_counts(scores, is_hit, weights)
    n_hits, n_others = hits.sum(axis=1), others.sum(axis=1)
    below = n_others[:, None] - np.cumsum(others, axis=1) + others / 2
    return _ratio((hits * below).sum(axis=1), n_hits * n_others)


def _average_precision(scores: FloatArray, is_hit: npt.NDArray[np.bool_], weights: FloatArray) -> FloatArray:
    hits, others = _curve_counts(scores, is_hit, weights)
    found = np.cumsum(hits, axis=1)
    precision = np.nan_to_num(_ratio(found, found + np.cumsum(others, axis=1)))
    return _ratio((hits * precision).sum(axis=1), hits.sum(axis=1))


def _mse(rows: NumberRows, weights: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return _mean((rows.true - rows.pred) ** 2, weights)


def _r2(rows: NumberRows, weights: FloatArray) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        centered = rows.true - rows.true.mean()  # the variance below would cancel on large, close values
        spread = _mean(centered**2, weights) - _mean(centered, weights) ** 2
        spread[spread <= 1e-12 * (centered**2).mean()] = 0.0
        return 1 - _ratio(_mse(rows, weights), spread)


def _adjusted_r2(rows: NumberRows, weights: FloatArray) -> FloatArray:
    n_free = rows.n_rows - (rows.n_features or 0) - 1
    if rows.n_features is None or n_free <= 0:
        return np.full(len(weights), np.nan)
    return 1 - (1 - _r2(rows, weights)) * (rows.n_rows - 1) / n_free


def _mape(rows: NumberRows, weights: FloatArray) -> FloatArray:
    """Percent, over the rows whose true value is not 0."""
    counted = rows.true != 0
    errors = _ratio(np.abs(rows.true - rows.pred), np.abs(rows.true))
    return 100 * _mean(errors[counted], weights[:, counted])


def _smape(rows: NumberRows, weights: FloatArray) -> FloatArray:
    """Percent, 0..200; two zeros are no error."""
    size = (np.abs(rows.true) + np.abs(rows.pred)) / 2
    return 100 * _mean(np.where(size == 0, 0.0, _ratio(np.abs(rows.true - rows.pred), size)), weights)


def _mase(rows: NumberRows, weights: FloatArray) -> FloatArray:
    """Errors over those of the naive forecast in training (Hyndman & Koehler 2006), of the rows that have one."""
    if rows.naive_error is None:
        return np.full(len(weights), np.nan)
    naive = np.broadcast_to(np.asarray(rows.naive_error, dtype=np.float64), rows.true.shape)
    counted = naive > 0
    errors = np.abs(rows.true - rows.pred)[counted] / naive[counted]
    return _mean(errors, weights[:, counted])


CLASSIFICATION: dict[str, Function] = {
    "accuracy": _accuracy,
    "precision": functools.partial(_per_class, "precision"),
    "recall": functools.partial(_per_class, "recall"),
    "f1_score": functools.partial(_per_class, "f1_score"),
    "log_loss": _log_loss,
    "roc_auc": functools.partial(_one_versus_rest, _roc_area),
    "pr_auc": functools.partial(_one_versus_rest, _average_precision),
    "balanced_accuracy": _balanced_accuracy,
    "mcc": _mcc,
    "brier": _brier,
}
REGRESSION: dict[str, Function] = {
    "mae": lambda rows, weights: _mean(np.abs(rows.true - rows.pred), weights),
    "mse": _mse,
    "rmse": lambda rows, weights: np.sqrt(_mse(rows, weights)),
    "r2": _r2,
    "adjusted_r2": _adjusted_r2,
}
TIME_SERIES: dict[str, Function] = {"mape": _mape, "smape": _smape, "mase": _mase}
