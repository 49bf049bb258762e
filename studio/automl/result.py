"""What a search tells while it runs and what it hands back."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from studio.automl.plan import Plan

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class TrialState(enum.StrEnum):
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True)
class Footprint:
    """Of one model.

    Attributes:
        latency_ms: Median time to predict one row from the values a caller sends, None where nobody measured it.
        size_mb: Of its pickle, None likewise.
    """

    latency_ms: float | None = None
    size_mb: float | None = None

    def broken_limit(self, plan: Plan) -> str:
        """Which of the plan's limits it breaks, in words; empty where it keeps them."""
        limits = (
            (plan.max_predict_latency_ms, self.latency_ms, "ms per prediction"),
            (plan.max_model_mb, self.size_mb, "MB"),
        )
        for limit, found, unit in limits:
            if limit is not None and (found is None or found > limit):
                return f"{'unknown' if found is None else f'{found:.3g}'} {unit}, {limit:g} are allowed"
        return ""


@dataclass(frozen=True)
class Trial:
    """One configuration that was tried.

    Attributes:
        number: From 0, without a gap, over restarts too.
        score: The metric itself in its own direction; None for one that did not finish.
        started_at: Aware UTC time.
        message: Why it failed, was given up or cannot win, empty otherwise.
        fold_scores: Of the folds it was fitted on, in order; None where the metric is undefined.
        footprint: Of a model it was fitted to, of the blend's for an ensemble.
    """

    number: int
    algorithm: str
    params: Mapping[str, Any]
    score: float | None
    state: TrialState
    duration_s: float
    started_at: datetime
    message: str = ""
    fold_scores: tuple[float | None, ...] = ()
    footprint: Footprint = field(default_factory=Footprint)


class Observer(Protocol):
    """Hears of a search's progress, in the thread that called ``search`` alone.

    What a method raises ends the search: its processes are stopped and the error goes to the caller.
    """

    def phase(self, phase: str, fraction: float, message: str) -> None:
        """Where the search is: a phase of a run and how much of it is done, 0..1."""

    def log(self, level: str, message: str, **facts: Any) -> None:
        """One line for the run's log; it begins with a bracketed stage.

        Args:
            level: ``debug``, ``info``, ``warning`` or ``error``.
            message: In words.
            facts: The same for programs, JSON-ready; most lines have none.
        """

    def trial(self, trial: Trial) -> None:
        """A trial has ended."""


@dataclass(frozen=True)
class SplitPrediction:
    """The final model's predictions on one split.

    Attributes:
        row_index: Positions in the table that was given, of shape (n_rows,).
        y_true: Labels (strings) or numbers of shape (n_rows,).
        y_pred: Likewise.
        proba: Class probabilities of shape (n_rows, n_labels), None for regression.
        naive_errors: Of a time series, the naive error of each row's series, NaN where it is undefined.
        times: Of a time series, the time stamp of each row, in UTC.
    """

    row_index: IntArray
    y_true: npt.NDArray[Any]
    y_pred: npt.NDArray[Any]
    proba: FloatArray | None
    naive_errors: FloatArray | None = None
    times: npt.NDArray[np.datetime64] | None = None


@dataclass(frozen=True)
class ShapImportance:
    """Mean absolute SHAP values of the test rows, as shares.

    Attributes:
        shares: By input column, summing to 1, the mean over the classes; empty where there are none.
        by_class: The same for each of more than two classes, or for each cluster; empty otherwise.
        explainer: ``tree``, ``linear``, ``linear+tree`` (all exact) or ``permutation`` (sampled).
        output: What was explained: see ``BlendExplainer.output``.
        n_rows: Test rows that were explained.
        n_background: Training rows they were compared with.
        reason: Why there are none, empty otherwise.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    by_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    explainer: str = ""
    output: str = ""
    n_rows: int = 0
    n_background: int = 0
    reason: str = ""


@dataclass(frozen=True)
class SearchResult:
    """A fitted model and how it came to be.

    Attributes:
        estimator: Fitted scikit-learn pipeline: a data frame with the feature columns in, ``predict`` (in the
            target's own type) and, for classification, ``predict_proba`` and ``classes_`` out.
        algorithm: Name of a family, or ``ensemble``.
        hyperparameters: What the algorithm was fitted with; of an ensemble its members, each with its weight.
        metric: What the candidates were compared by.
        score: The winner's validation score.
        candidates: Every trial by number, and last the ensemble if there was one.
        labels: All classes as strings in the order of the probabilities, None for regression.
        positive_label: The positive one of two labels, None otherwise.
        splits: Predictions on ``train`` (at most 10 000 rows), ``validation`` (made by models that had not
            seen the row) and ``test``.
        metrics: The catalogue's metrics by split.
        intervals: Their 95 % bootstrap intervals by split.
        importances: Shares that sum to 1 per input column, by method (``gain``, ``split``); empty where the
            algorithm knows none.
        shap: SHAP importances, None where they were not asked for.
        rows_used: Rows that were trained or evaluated on.
        stage_seconds: Seconds per phase.
        peak_memory_mb: Most memory this process and its trials held together.
        optional_columns: Feature columns that a caller of the model may leave out.
    """

    estimator: Any
    algorithm: str
    hyperparameters: Mapping[str, Any]
    metric: str
    score: float
    candidates: tuple[Trial, ...]
    feature_columns: tuple[str, ...]
    column_types: Mapping[str, str]
    labels: tuple[str, ...] | None
    positive_label: str | None
    splits: Mapping[str, SplitPrediction]
    metrics: Mapping[str, Mapping[str, float | None]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]
    importances: Mapping[str, Mapping[str, float]]
    rows_used: int
    stage_seconds: Mapping[str, float]
    peak_memory_mb: float
    optional_columns: tuple[str, ...] = ()
    shap: ShapImportance | None = None
