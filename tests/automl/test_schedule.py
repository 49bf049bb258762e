"""What is tried next, by the time that is left."""

import numpy as np
import pytest

from studio.automl import forests
from studio.automl.boosters import GROWTH, HistGradientBoosting
from studio.automl.estimators import FitContext, TrainingRows, find_families
from studio.automl.forests import FIRST_TREES, ExtraTrees, RandomForest
from studio.automl.plan import Plan
from studio.automl.schedule import Schedule
from studio.testing.estimator_family_contract import make_rows

PLAN = Plan(task="classification", target="y", column_types={}, budget_s=60.0)


@pytest.fixture
def schedule():
    return Schedule(find_families("auto", "classification"), PLAN, "roc_auc")


def take(schedule, number, remaining_s):
    """Name of the next proposal's family, None where there is none; it is taken up."""
    proposal = schedule.next(number, share_used=0.0, remaining_s=remaining_s)
    if proposal is None:
        return None
    schedule.note_origin(proposal.family.name, proposal.origin)
    return proposal.family.name


def test_a_slow_trial_keeps_no_family_from_being_tried(schedule):
    first = take(schedule, 0, 60.0)
    schedule.note_result(first, 0.8, 25.0, has_failed=False)
    remaining_s = 35.0
    tried = {first}
    while (name := take(schedule, len(tried), remaining_s)) not in {None, *tried}:
        tried.add(name)
        schedule.note_result(name, 0.7, 5.0, has_failed=False)
        remaining_s -= 3.5
    assert tried == {family.name for family in find_families("auto", "classification")}


def test_a_family_is_not_begun_with_in_the_last_fifth_of_the_time(schedule):
    first = take(schedule, 0, 60.0)
    schedule.note_result(first, 0.8, 2.0, has_failed=False)
    assert take(schedule, 1, 11.0) == first


def test_a_family_that_takes_far_too_long_is_left_alone(schedule):
    first = take(schedule, 0, 60.0)
    schedule.note_result(first, 0.8, 25.0, has_failed=False)
    assert take(schedule, 1, 10.0) is None


@pytest.mark.parametrize("is_small", [True, False])
def test_lightgbm_is_tried_twice_before_the_slow_families(is_small):
    schedule = Schedule(find_families("auto", "classification"), PLAN, "roc_auc", is_small=is_small)
    names, random_splits = [], []
    for number in range(8):
        proposal = schedule.next(number, share_used=0.0, remaining_s=None)
        schedule.note_origin(proposal.family.name, proposal.origin)
        names.append(proposal.family.name)
        if names[-1] == "lightgbm":
            random_splits.append(proposal.params["extra_trees"])
    early = ["lightgbm", "logistic_regression", "xgboost", "neural_network", "lightgbm"]
    assert names == [*early, "extra_trees", "random_forest", "hist_gradient_boosting"]
    assert random_splits == [is_small, not is_small]


def test_a_second_try_that_takes_long_comes_after_every_first_one(schedule):
    schedule.note_result("lightgbm", 0.8, 15.0, has_failed=False)
    names = [take(schedule, number, 60.0) for number in range(7)]
    assert len(set(names)) == 7


def test_histogram_boosting_takes_no_step_that_would_end_too_late():
    rows = make_rows(2)
    context = FitContext(
        task="classification",
        metric="log_loss",
        n_classes=2,
        threads=1,
        random_state=0,
        validation=TrainingRows(rows.X, rows.y),
    )
    family = HistGradientBoosting()
    params = {**family.default("classification"), "max_iter": 100}

    def rounds(seconds_left):
        told = FitContext(**{**vars(context), "seconds_left": seconds_left})
        return family.fit(params, rows, told).n_iter_

    assert rounds(lambda: 0.0) == 10
    assert rounds(context.seconds_left) > 10 * GROWTH


@pytest.mark.parametrize("family", [RandomForest(), ExtraTrees()])
def test_a_forest_grows_no_trees_that_would_come_too_late(family):
    rows = make_rows(0)
    context = FitContext(task="regression", metric="rmse", n_classes=0, threads=1, random_state=0)
    whole = family.fit({**family.default("regression"), "n_estimators": 20}, rows, context)
    assert len(whole.estimators_) == 20
    late = FitContext(**{**vars(context), "seconds_left": lambda: 0.0})
    grown = family.fit({**family.default("regression"), "n_estimators": 20}, rows, late)
    assert len(grown.estimators_) == FIRST_TREES
    np.testing.assert_array_equal(
        grown.estimators_[-1].predict(rows.X), whole.estimators_[FIRST_TREES - 1].predict(rows.X)
    )


def test_a_forest_of_large_trees_has_fewer(monkeypatch):
    monkeypatch.setattr(forests, "LEAST_TREES", 3)
    monkeypatch.setattr(forests, "MAX_BYTES", 20_000)
    rows = make_rows(0)
    context = FitContext(task="regression", metric="rmse", n_classes=0, threads=1, random_state=0)
    family = RandomForest()
    params = {**family.default("regression"), "n_estimators": 100}
    grown = family.fit(params, rows, context)
    assert 3 <= len(grown.estimators_) < 10
    assert family.learned(params, grown) == {"n_estimators": len(grown.estimators_)}
    asked = FitContext(**{**vars(context), "pinned": frozenset({"n_estimators"})})
    assert len(family.fit(params, rows, asked).estimators_) == 100
