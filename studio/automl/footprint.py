"""What a model asks of the process that serves it: the time for a row, and its size."""

import pickle
import time
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from studio.automl.problem import Problem
from studio.automl.result import Footprint

CALLS = 5
ENOUGH_S = 0.1  # so long calls tell as much as more of them
MB = 1 << 20


def measure_footprint(problem: Problem, estimator: Pipeline) -> Footprint:
    """Measure a whole model."""
    return Footprint(measure_latency_ms(problem, estimator), len(pickle.dumps(estimator, protocol=5)) / MB)


def measure_latency_ms(problem: Problem, estimator: Pipeline) -> float:
    """Predict one row as a model host does: its values in a frame, then the answer and the probabilities.

    A host answers sooner where it can compile the model, so what keeps a limit here keeps it there.
    """
    row = problem.sample
    seconds: list[float] = []
    _predict(estimator, row)  # the first sets things up
    while len(seconds) < CALLS and sum(seconds) < ENOUGH_S:
        started = time.perf_counter()
        _predict(estimator, row.copy())
        seconds.append(time.perf_counter() - started)
    return 1000 * float(np.median(seconds))


def _predict(estimator: Pipeline, row: Any) -> None:
    estimator.predict(row)
    if hasattr(estimator, "predict_proba"):
        estimator.predict_proba(row)
