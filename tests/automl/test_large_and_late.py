"""Tables too large for their budget: candidates are compared on some of the rows."""

import dataclasses

import numpy as np
import pandas as pd

from studio.automl.plan import Plan, Validation
from studio.automl.problem import prepare_problem
from studio.automl.splits import LEAST_CELLS, split_rows, thin_holdout


def test_a_large_holdout_is_thinned_for_a_short_budget_alone():
    split = split_rows(Validation(), 200_000)
    folds = [(split.train, split.validation)]
    ((train, validation),) = thin_holdout(folds, 100, 10.0, 0)
    assert len(train) + len(validation) <= LEAST_CELLS // 100
    assert len(train) == 3 * len(validation)
    assert set(train) <= set(split.train)
    assert set(validation) <= set(split.validation)
    again = thin_holdout(folds, 100, 10.0, 0)
    np.testing.assert_array_equal(train, again[0][0])
    for budget_s in (None, 3600.0):
        assert thin_holdout(folds, 100, budget_s, 0) is folds
    assert thin_holdout(folds, 2, 10.0, 0) is folds


def test_a_search_that_goes_on_compares_on_the_rows_it_began_with():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60_000, 60)), columns=[f"x{i}" for i in range(60)])
    types = dict.fromkeys(frame.columns, "number")
    plan = Plan(task="regression", target="x0", column_types=types, budget_s=30.0)
    first = prepare_problem(frame, plan)
    later = prepare_problem(frame, dataclasses.replace(plan, budget_s=5.0, whole_budget_s=30.0))
    np.testing.assert_array_equal(first.scored, later.scored)
    assert len(prepare_problem(frame, dataclasses.replace(plan, budget_s=5.0)).scored) < len(first.scored)
    assert len(first.split.development) == 48_000
