"""The final model of a search and how good it is."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from studio.automl.calibration import Calibration
from studio.automl.estimators import installed_families
from studio.automl.member_files import read_members
from studio.automl.pipeline import Blend, Member, build_pipeline
from studio.automl.problem import Problem
from studio.automl.result import SplitPrediction

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MAX_TRAIN_ROWS = 10_000  # of the training rows so many tell enough about the fit
SHARED_ROWS = 5_000  # from here on to predict is worth several threads


@dataclass(frozen=True)
class Part:
    """One candidate in the final model.

    Attributes:
        family: Name of its family.
        weight: Its share of the blend.
        members: Files of its refitted member, or of its fold models.
        outputs: Files of its outputs for the scored rows, one per draw of the folds.
    """

    family: str
    weight: float
    members: tuple[Path, ...]
    outputs: tuple[Path, ...]


@dataclass(frozen=True)
class Final:
    """The assembled model and its evaluation, as in ``SearchResult``."""

    estimator: Pipeline
    splits: Mapping[str, SplitPrediction]
    metrics: Mapping[str, Mapping[str, float | None]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]
    importances: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Blended:
    """A final model that was not evaluated yet, with the family and weight of each fitted member."""

    estimator: Pipeline
    members: Sequence[Member]
    weights: Sequence[float]
    families: Sequence[str]


def blend_parts(problem: Problem, parts: Sequence[Part], calibration: Calibration) -> Blended:
    """Load the parts and blend them; ``calibration`` is what is done to the blend's probabilities."""
    members: list[Member] = []
    weights: list[float] = []
    families: list[str] = []
    for part in parts:
        found = [member for path in part.members for member in read_members(path)]
        members += found
        weights += [part.weight / len(found)] * len(found)
        families += [part.family] * len(found)
    estimator = build_pipeline(problem.reader, members, weights, problem.classes, calibration)
    return Blended(estimator, members, weights, families)


def evaluate_blend(
    problem: Problem,
    blended: Blended,
    parts: Sequence[Part],
    calibration: Calibration,
    soft_deadline: float | None,
    *,
    threads: int = 1,
) -> Final:
    """Evaluate a blend on every split.

    Args:
        parts: What it is made of.
        calibration: What is done to its probabilities.
        soft_deadline: Monotonic time after which the intervals are left out; None for never.
        threads: Cores for it.
    """
    estimator = blended.estimator
    splits = _predict_splits(problem, estimator, parts, calibration, threads)
    metrics = {name: problem.evaluate(split) for name, split in splits.items()}
    intervals: dict[str, Mapping[str, tuple[float, float]]] = {}
    for name in ("test", "validation", "train"):
        is_late = soft_deadline is not None and time.monotonic() > soft_deadline
        intervals[name] = {} if is_late else problem.intervals(splits[name])
    importances = _importances(problem, blended.members, blended.weights, blended.families)
    return Final(estimator, splits, metrics, intervals, importances)


def _predict_splits(
    problem: Problem, estimator: Pipeline, parts: Sequence[Part], calibration: Calibration, threads: int
) -> dict[str, SplitPrediction]:
    train = problem.split.train
    if len(train) > MAX_TRAIN_ROWS:
        rng = np.random.default_rng(problem.plan.validation.random_state)
        train = np.sort(rng.choice(train, MAX_TRAIN_ROWS, replace=False))
    test = problem.split.test
    outputs = blend_rows(problem, estimator.named_steps["model"], np.concatenate([train, test]), threads)
    unseen = np.sum([part.weight * np.mean([np.load(file) for file in part.outputs], axis=0) for part in parts], axis=0)
    validation = np.intersect1d(problem.split.validation, problem.scored)
    return {
        "train": problem.predictions(train, outputs[: len(train)], calibration),
        "validation": problem.predictions(validation, unseen[np.searchsorted(problem.scored, validation)], calibration),
        "test": problem.predictions(test, outputs[len(train) :], calibration),
    }


def blend_rows(problem: Problem, model: Blend, rows: IntArray, threads: int) -> FloatArray:
    """Outputs for some rows; of many, each core takes a part, as members predict on one core."""
    if threads == 1 or len(rows) < SHARED_ROWS:
        return model.blend(problem.cells.take(rows))
    model.blend(problem.cells.take(rows[:1]))  # boosters set themselves up at their first prediction, in one thread
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        found = pool.map(lambda part: model.blend(problem.cells.take(part)), np.array_split(rows, threads))
        return np.concatenate(list(found))


def _importances(
    problem: Problem, members: Sequence[Member], weights: Sequence[float], families: Sequence[str]
) -> dict[str, Mapping[str, float]]:
    """Shares by input column, the members' weighted by their part in the blend."""
    totals: dict[str, FloatArray] = {}
    for member, weight, name in zip(members, weights, families, strict=True):
        if member.estimator is None:
            continue
        for method, values in installed_families()[name].importances(member.estimator).items():
            by_column = np.bincount(member.encoder.sources_, values, len(problem.features))
            if by_column.sum() > 0:
                shares = weight * by_column / by_column.sum()
                totals[method] = totals.get(method, 0.0) + shares
    return {
        method: dict(zip(problem.features, (total / total.sum()).tolist(), strict=True))
        for method, total in totals.items()
    }
