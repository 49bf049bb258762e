"""Forecasts that learn nothing; no other is worth its name that does not beat them.

They stand among the candidates of every time series search.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from studio.automl.estimators import EstimatorFamily, FitContext, FloatArray, TrainingRows
from studio.automl.spaces import Space


class RepeatLast(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Says of every row what stands in the first column: the last value's distance from the seasonal forecast."""

    def fit(self, X: FloatArray, y: Any = None) -> "RepeatLast":
        """Nothing to learn."""
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: FloatArray) -> FloatArray:
        """Of shape (n_rows,)."""
        return np.nan_to_num(X[:, 0])


class RepeatSeason(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Says 0 of every row: that it is no different from the seasonal forecast."""

    def fit(self, X: FloatArray, y: Any = None) -> "RepeatSeason":
        """Nothing to learn."""
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: FloatArray) -> FloatArray:
        """Of shape (n_rows,)."""
        return np.zeros(len(X))


class _NaiveFamily(EstimatorFamily):
    tasks = frozenset({"time_series"})
    cost = 1
    accepts_missing = True
    is_baseline = True

    def space(self, task: str) -> Space:
        return {}

    def default(self, task: str) -> Mapping[str, Any]:
        return {}

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        return self.estimator_class(context.task)().fit(rows.X)


class Naive(_NaiveFamily):
    """The last known value, for every step ahead."""

    name = "naive"

    def estimator_class(self, task: str) -> type:
        return RepeatLast


class SeasonalNaive(_NaiveFamily):
    """The value of the same step of the last season that is known; the last value where there is no season."""

    name = "seasonal_naive"

    def estimator_class(self, task: str) -> type:
        return RepeatSeason
