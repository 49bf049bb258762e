"""Fitting one configuration on some rows; runs in the search's processes, never in the one that forks."""

import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from studio.automl.estimators import EstimatorFamily, FitContext, TrainingRows
from studio.automl.pipeline import Member
from studio.automl.preprocessing import Encoder, Encoding, choose_encoding
from studio.automl.problem import Problem
from studio.automl.targets import FACTOR, TRANSFORM, LogTarget, split_options

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CACHE_BYTES = 400_000_000
MEDIAN_METRICS = frozenset({"mae", "mape", "smape", "mase"})  # whose best answer is no mean
SMALL_CELLS = 1_000_000  # matrices up to here are fitted faster by one core than by several that wait for each other


@dataclass(frozen=True)
class Configuration:
    """A family with hyperparameters.

    Attributes:
        params: Complete; the user's own among them.
        pinned: Names of those that are the user's.
    """

    family: EstimatorFamily
    params: Mapping[str, Any]
    pinned: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FoldFit:
    """A member fitted on one fold and its outputs for the fold's validation rows."""

    member: Member
    outputs: FloatArray
    learned: Mapping[str, float]
    predict_s: float


@dataclass(frozen=True)
class _Encoded:
    encoder: Encoder
    train: FloatArray
    validation: FloatArray
    transform_s: float

    @property
    def size_bytes(self) -> int:
        return self.train.nbytes + self.validation.nbytes


class Fitter:
    """Fits configurations of one problem; encoded matrices are kept for the next trial that wants them."""

    def __init__(self, problem: Problem, threads: int) -> None:
        self.problem = problem
        self.threads = threads
        self._encoded: OrderedDict[tuple[Encoding, int, int], _Encoded] = OrderedDict()

    def fit_fold(self, configuration: Configuration, fold: int, deadline: float | None, draw: int = 0) -> FoldFit:
        """Fit on a fold's training rows, with early stopping on its validation rows.

        Args:
            draw: 0 for the problem's folds, n for those of its nth repeat.
            deadline: Monotonic time at which boosting and forests stop growing; None for never.
        """
        train, validation = self._rows_of(fold, draw)
        encoded = self._encode_fold(configuration.family, fold, draw)
        held_out = TrainingRows(encoded.validation, self.problem.y[validation])
        member, learned = self._fit(configuration, encoded.encoder, encoded.train, train, held_out, deadline, draw)
        started = time.monotonic()
        outputs = member.predict_matrix(encoded.validation)
        return FoldFit(member, outputs, learned, encoded.transform_s + time.monotonic() - started)

    def fit_rows(self, configuration: Configuration, rows: IntArray, deadline: float | None) -> Member:
        """Fit on any rows, with as many rounds as the configuration says."""
        encoder, matrix = self._encode(configuration.family, rows)
        return self._fit(configuration, encoder, matrix, rows, None, deadline)[0]

    def _fit(
        self,
        configuration: Configuration,
        encoder: Encoder,
        matrix: FloatArray,
        rows: IntArray,
        held_out: TrainingRows | None,
        deadline: float | None,
        draw: int = 0,
    ) -> tuple[Member, Mapping[str, float]]:
        problem, family = self.problem, configuration.family
        y, present = problem.y[rows], np.empty(0, dtype=np.int64)
        if problem.n_classes:
            present, y = np.unique(y, return_inverse=True)
            if len(present) == 1:
                return Member(encoder, None, present, problem.n_classes), {}
            held_out = _with_known_classes(held_out, present)
        context = FitContext(
            task=problem.plan.task,
            metric=problem.metric,
            n_classes=len(present),
            threads=self.threads if matrix.size > SMALL_CELLS else 1,
            random_state=(problem.plan.validation.random_state + draw) % 2**31,
            categorical=encoder.categorical_,
            is_out_of_time=lambda: deadline is not None and time.monotonic() >= deadline,
            seconds_left=lambda: math.inf if deadline is None else deadline - time.monotonic(),
            validation=held_out,
            pinned=configuration.pinned,
        )
        weights = _balanced_weights(y) if problem.has_class_weights else None
        params, options = split_options(configuration.params)
        target = LogTarget.of(y) if options.get(TRANSFORM) == "log" else None
        if target is not None:
            y = target.forward(y)
            watched = held_out and TrainingRows(held_out.X, target.forward(held_out.y))
            context = replace(context, validation=watched)
        with threadpool_limits(context.threads):
            estimator = family.fit(params, TrainingRows(matrix, y, weights), context)
        learned = dict(family.learned(params, estimator))
        if target is not None:
            factor = options.get(FACTOR, 1.0)
            if held_out is not None and problem.metric not in MEDIAN_METRICS:
                factor = learned[FACTOR] = target.best_factor(held_out.y, estimator.predict(held_out.X))
            target = replace(target, factor=factor)
        return Member(encoder, estimator, present, problem.n_classes, target), learned

    def _rows_of(self, fold: int, draw: int) -> tuple[IntArray, IntArray]:
        return (self.problem.repeats[draw - 1] if draw else self.problem.folds)[fold]

    def _encode_fold(self, family: EstimatorFamily, fold: int, draw: int) -> _Encoded:
        key = (self._encoding_of(family), fold, draw)
        if key not in self._encoded:
            train, validation = self._rows_of(fold, draw)
            encoder, matrix = self._encode(family, train)
            started = time.monotonic()
            held_out = encoder.transform(self.problem.cells.take(validation))
            self._encoded[key] = _Encoded(encoder, matrix, held_out, time.monotonic() - started)
            while len(self._encoded) > 1 and sum(e.size_bytes for e in self._encoded.values()) > CACHE_BYTES:
                self._encoded.popitem(last=False)
        self._encoded.move_to_end(key)
        return self._encoded[key]

    def _encode(self, family: EstimatorFamily, rows: IntArray) -> tuple[Encoder, FloatArray]:
        problem = self.problem
        encoder = Encoder(self._encoding_of(family), problem.plan.validation.random_state)
        cells, y = problem.cells.take(rows), problem.y[rows]
        return encoder, encoder.fit_transform(cells, y, is_classification=bool(problem.n_classes))

    def _encoding_of(self, family: EstimatorFamily) -> Encoding:
        encoding = choose_encoding(
            self.problem.plan.preprocessing,
            categories=family.categories,
            accepts_missing=family.accepts_missing,
            scale=family.scale,
        )
        return replace(encoding, max_categories=min(encoding.max_categories, family.max_categories))


def _with_known_classes(held_out: TrainingRows | None, present: IntArray) -> TrainingRows | None:
    """The held out rows of classes that the training rows hold, with their codes."""
    if held_out is None:
        return None
    is_known = np.isin(held_out.y, present)
    if not is_known.any():
        return None
    return TrainingRows(held_out.X[is_known], np.searchsorted(present, held_out.y[is_known]))


def _balanced_weights(codes: IntArray) -> FloatArray:
    counts = np.bincount(codes)
    weights: FloatArray = (len(codes) / (len(counts) * counts))[codes]
    return weights
