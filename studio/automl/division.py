"""Divides the rows of a table as a plan wants them divided: at random, by time or by group."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from studio.automl.columns import Cells, read_numbers, read_stamps
from studio.automl.plan import Plan
from studio.automl.splits import Folds, Split, make_folds, make_repeats, split_rows, thin_holdout
from studio.errors import ConfigIncomplete, TooFewRows

FloatArray = npt.NDArray[np.float64]


def divide_rows(
    used: pd.DataFrame,
    plan: Plan,
    y: npt.NDArray[Any],
    classes: npt.NDArray[Any] | None,
    cells: Cells,
    times: FloatArray | None,
) -> tuple[Split, Folds, tuple[Folds, ...]]:
    """The rows of each part, and of each fit of a trial and its repeats, as the plan wants them divided.

    Args:
        times: As ``read_order`` gives them.
    """
    settings = plan.validation
    strata = y if classes is not None and settings.stratify else None
    groups = None
    if settings.split == "group":
        groups = pd.factorize(used[_needed(settings.group_column, "group_column")], use_na_sentinel=False)[0]
    split = split_rows(settings, len(used), strata=strata, times=times, groups=groups)
    if plan.preprocessing.handle_missing == "drop":
        split = _drop_gaps(split, cells)
    folds = make_folds(settings, split, strata=strata, groups=groups)
    budget_s = plan.whole_budget_s or plan.budget_s
    folds = thin_holdout(folds, cells.values.shape[1], budget_s, settings.random_state)
    return split, folds, make_repeats(settings, split, strata=strata)


def _needed(column: str | None, key: str) -> str:
    if column is None:
        raise ConfigIncomplete(f"This way of splitting needs validation.{key}.")
    return column


def read_order(used: pd.DataFrame, plan: Plan) -> FloatArray | None:
    """Times of the rows as numbers, where a plan divides by them; those without one come first, at minus infinity."""
    if plan.validation.split != "time":
        return None
    column = used[_needed(plan.validation.time_column, "time_column")]
    if plan.column_types.get(str(column.name)) == "number" or pd.api.types.is_numeric_dtype(column.dtype):
        numbers = read_numbers(column)
    else:
        stamps = read_stamps(column)
        numbers = np.where(stamps.isna(), np.nan, stamps.astype("int64").to_numpy(dtype=np.float64))
    return np.where(np.isnan(numbers), -np.inf, numbers)


def _drop_gaps(split: Split, cells: Cells) -> Split:
    """Leave rows with gaps to the test part alone; columns that are empty throughout do not count."""
    gaps = np.isnan(cells.values)
    is_gappy: npt.NDArray[np.bool_] = np.any(gaps[:, ~gaps.all(axis=0)], axis=1)
    train = split.train[~is_gappy[split.train]]
    validation = split.validation[~is_gappy[split.validation]]
    if len(train) < 2 or not len(validation):
        raise TooFewRows("Too few rows without a gap are left; choose another preprocessing.handle_missing than drop.")
    return Split(train, validation, split.test)
