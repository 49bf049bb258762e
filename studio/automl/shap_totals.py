"""How large the SHAP values of a table's columns are over its test rows; what one process adds to that."""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studio.automl.pipeline import Blend
from studio.automl.problem import Problem
from studio.automl.sampled_shap import predictions_per_row
from studio.automl.shap_values import BlendExplainer

FloatArray = npt.NDArray[np.float64]

MAX_ROWS = 300  # of the test rows
ENOUGH_ROWS = 30  # of them say something; the log warns of fewer
BACKGROUND_ROWS = 500  # of the training rows
SAMPLED_ROWS = (5, 50)  # of those, where values are sampled; the fewer, the more columns and classes there are
MAX_PREDICTIONS = 1_500_000  # of all rows together, where values are sampled
MAX_NUMBERS = 20_000_000  # held at once
STEP_S = 0.5  # between two looks at the clock
SHARE = 0.1  # of the budget that may be kept for it


@dataclass(frozen=True)
class ShapTotals:
    """What one process found.

    Attributes:
        sums: Absolute values summed over the rows, of shape (n_columns, n_outputs).
        names: Of the outputs where they are more than two classes, or clusters; empty otherwise.
        explainer: As ``BlendExplainer`` says, and likewise ``output``.
    """

    sums: FloatArray
    names: tuple[str, ...]
    n_rows: int
    n_background: int
    explainer: str
    output: str


def shap_reserve_s(problem: Problem, row_s: float) -> float:
    """Seconds to keep for it.

    Args:
        row_s: What the likely members take to predict one row.
    """
    if not problem.plan.compute_shap:
        return 0.0
    wanted = 1.0 + row_s * predictions_per_row(len(problem.features), _n_sampled(problem)) * _most_sampled(problem)
    return min(SHARE * (problem.plan.budget_s or 60.0), wanted)


def add_up_shap(problem: Problem, blend: Blend, *, part: int, n_parts: int, until: float | None) -> ShapTotals:
    """Explain every ``n_parts``-th of the chosen rows, as many as there is time for.

    Args:
        until: Monotonic time at which to end with the rows that are done; None for never.
    """
    seed = problem.plan.validation.random_state
    rng = np.random.default_rng([seed, 1])
    background = problem.cells.take(rng.permutation(problem.split.train)[:BACKGROUND_ROWS])
    n_sampled, n_columns = _n_sampled(problem), len(problem.features)
    explainer = BlendExplainer(blend, background, n_columns, n_sampled=n_sampled, seed=seed)
    n_rows = min(MAX_ROWS, len(problem.split.test)) if explainer.is_exact else _most_sampled(problem)
    chosen = rng.permutation(problem.split.test)[:n_rows]
    numbers = np.arange(len(chosen))[part::n_parts]
    width = 2 * n_columns * max(1, problem.n_classes) * (1 if explainer.is_exact else n_sampled)
    most = max(1, MAX_NUMBERS // width)
    sums: FloatArray = np.zeros(())
    n_done, size = 0, 1
    while n_done < len(numbers) and size:
        started = time.monotonic()
        step = numbers[n_done : n_done + size]
        sums = sums + np.abs(explainer.explain(problem.cells.take(chosen[step]), step).values).sum(axis=0)
        n_done += len(step)
        row_s = max(1e-6, (time.monotonic() - started) / len(step))
        size = min(most, max(1, int(STEP_S / row_s)), 8 * size)
        if until is not None:
            size = min(size, int((until - time.monotonic()) / row_s))
    names = tuple(map(str, explainer.clusters)) or problem.labels or ()
    names = names if sums.ndim and len(names) == sums.shape[1] else ()
    return ShapTotals(sums, names, n_done, explainer.n_background, explainer.explainer, explainer.output)


def _n_sampled(problem: Problem) -> int:
    """With how many training rows each row is compared, where values are sampled."""
    least, most = SAMPLED_ROWS
    by_time = MAX_PREDICTIONS // (ENOUGH_ROWS * predictions_per_row(len(problem.features), 1))
    by_memory = MAX_NUMBERS // (2 * len(problem.features) * max(1, problem.n_classes))
    return min(len(problem.split.train), max(least, min(most, by_time, by_memory)))


def _most_sampled(problem: Problem) -> int:
    """How many rows to explain at most, where values are sampled."""
    n_predictions = predictions_per_row(len(problem.features), _n_sampled(problem))
    return min(MAX_ROWS, max(1, MAX_PREDICTIONS // n_predictions), len(problem.split.test))
