"""The model that learns nothing from any column: what a search answers where no other is better, or none was fitted."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier, DummyRegressor

from studio.automl.pipeline import Member, build_pipeline
from studio.automl.preprocessing import NoColumns
from studio.automl.problem import FloatArray, IntArray, Problem, column_types_of
from studio.automl.result import SearchResult, ShapImportance, SplitPrediction, Trial, TrialState
from studio.evaluation.metrics import is_better

NAME = "baseline"
MAX_TRAIN_ROWS = 10_000
LEAST_GAIN = 1e-6  # share of a score; rounding makes some of less out of nothing
TELLING_AREA = 0.6  # below a ROC curve, which chance hardly reaches


def fit_baseline(problem: Problem, rows: IntArray) -> Member:
    """Fit to the target of some rows: the classes' shares, or the mean; the median where errors count by size."""
    zeros, y = np.zeros((len(rows), 1)), problem.y[rows]
    if problem.is_rolling:  # what is learned there is the distance from the seasonal naive forecast
        return Member(NoColumns(), DummyRegressor(strategy="constant", constant=0.0).fit(zeros, y), _NO_CLASSES, 0)
    if not problem.n_classes:
        strategy = "median" if problem.metric == "mae" else "mean"
        return Member(NoColumns(), DummyRegressor(strategy=strategy).fit(zeros, y), _NO_CLASSES, 0)
    present, codes = np.unique(y, return_inverse=True)
    estimator = DummyClassifier(strategy="prior").fit(zeros, codes)
    return Member(NoColumns(), estimator, present, problem.n_classes)


def baseline_outputs(problem: Problem) -> FloatArray:
    """Outputs for the scored rows of baselines that had not seen them."""
    shape = (len(problem.y), problem.n_classes) if problem.n_classes else (len(problem.y),)
    outputs = np.zeros(shape)
    for train, validation in problem.folds:
        outputs[validation] = fit_baseline(problem, train).predict_matrix(np.zeros((len(validation), 1)))
    found: FloatArray = outputs[problem.scored]
    return found


def has_baseline(problem: Problem) -> bool:
    """Whether there is one; clusters have no target to know the mean of."""
    return problem.plan.task != "clustering"


def beats_baseline(problem: Problem, outputs: FloatArray) -> bool:
    """Whether outputs for the scored rows are better than the baseline's, by the metric or in telling rows apart.

    To name the commonest class in every row is the best there is by some metrics; a model that also tells which rows
    are likelier to be of another is of more use.
    """
    if not has_baseline(problem) or problem.is_rolling:
        return True
    own, rows = baseline_outputs(problem), problem.scored
    found, least = problem.score(outputs, rows), problem.score(own, rows)
    if problem.metric == "roc_auc":  # the shares of the folds differ a little, which ranks rows by chance
        least = 0.5
    if is_better(problem.metric, found, least):
        return least is None or found is None or abs(found - least) > LEAST_GAIN * abs(least)
    area = replace(problem, metric="roc_auc").score(outputs, rows) if problem.n_classes else None
    return area is not None and area >= TELLING_AREA


def baseline_result(
    problem: Problem,
    trials: tuple[Trial, ...],
    seconds: Mapping[str, float],
    peak_memory_mb: float,
    *,
    has_intervals: bool,
) -> SearchResult:
    """The result of a search that ends with the baseline.

    Args:
        trials: Every candidate that was tried.
        seconds: Of the phases before.
        has_intervals: Whether there is time to see how sure the metrics are.
    """
    started = time.monotonic()
    member = fit_baseline(problem, problem.split.development)
    unseen = baseline_outputs(problem)
    score = problem.score(unseen, problem.scored)
    validation = np.intersect1d(problem.split.validation, problem.scored)
    train = problem.split.train[:: max(1, len(problem.split.train) // MAX_TRAIN_ROWS)]
    splits = {
        "train": _predict(problem, member, train),
        "validation": problem.predictions(validation, unseen[np.searchsorted(problem.scored, validation)]),
        "test": _predict(problem, member, problem.split.test),
    }
    number = 1 + max((trial.number for trial in trials), default=-1)
    own = Trial(number, NAME, {}, score, TrialState.COMPLETE, 0.0, datetime.now(UTC))
    return SearchResult(
        estimator=build_pipeline(problem.reader, [member], [1.0], problem.classes),
        algorithm=NAME,
        hyperparameters={},
        metric=problem.metric,
        score=float("nan") if score is None else score,
        candidates=(*trials, own),
        feature_columns=problem.features,
        column_types=column_types_of(problem),
        labels=problem.labels,
        positive_label=problem.positive_label,
        splits=splits,
        metrics={name: problem.evaluate(split) for name, split in splits.items()},
        intervals={name: problem.intervals(split) if has_intervals else {} for name, split in splits.items()},
        importances={},
        rows_used=problem.n_split,
        optional_columns=problem.optional_columns,
        stage_seconds={**seconds, "evaluation": time.monotonic() - started},
        peak_memory_mb=peak_memory_mb,
        shap=ShapImportance(reason="the baseline learns from no column") if problem.plan.compute_shap else None,
    )


def _predict(problem: Problem, member: Member, rows: IntArray) -> SplitPrediction:
    return problem.predictions(rows, member.predict_matrix(np.zeros((len(rows), 1))))


_NO_CLASSES: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
