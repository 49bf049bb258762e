"""Targets with a long tail are learned as logarithms where that is better."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from studio.automl.estimators import check_hyperparameters, find_families
from studio.automl.fitting import Configuration, Fitter
from studio.automl.plan import Plan
from studio.automl.problem import prepare_problem
from studio.automl.schedule import Schedule
from studio.automl.search import search
from studio.automl.targets import TRANSFORM, LogTarget, fit_options
from studio.errors import BadHyperparameter

PLAN = Plan(
    task="regression", target="y", column_types={"a": "number", "b": "number"}, algorithm="lightgbm",
    budget_s=None, max_trials=3,
)  # fmt: skip


@pytest.fixture
def skewed():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 400))
    return pd.DataFrame({"a": a, "b": b, "y": np.exp(3 + 2 * a + 0.3 * rng.normal(size=400))})


def test_logarithms_are_offered_where_they_shorten_the_tail():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=500)
    assert set(fit_options("regression", np.exp(normal))) == {TRANSFORM}
    assert fit_options("regression", normal + 10) == {}
    assert fit_options("regression", np.exp(normal) - 1) == {}
    assert fit_options("classification", np.exp(normal)) == {}


def test_the_way_back_is_the_way_there():
    y = np.array([0.0, 0.5, 3.0, 1000.0])
    target = LogTarget.of(y)
    np.testing.assert_allclose(target.backward(target.forward(y)), y)
    assert np.isfinite(target.backward(np.array([1e9]))).all()


def test_the_factor_undoes_the_bias():
    rng = np.random.default_rng(0)
    y = np.exp(rng.normal(size=20_000))
    target = LogTarget.of(y)
    logs = np.full(len(y), target.forward(np.array([1.0]))[0])
    factor = target.best_factor(y, logs)
    assert dataclasses.replace(target, factor=factor).backward(logs)[0] == pytest.approx(y.mean(), rel=0.05)


def test_a_fit_on_logarithms_answers_in_numbers(skewed):
    problem = prepare_problem(skewed, PLAN)
    family = find_families("lightgbm", "regression")[0]
    params = {**family.default("regression"), TRANSFORM: "log"}
    fit = Fitter(problem, 1).fit_fold(Configuration(family, params), 0, None)
    assert np.corrcoef(np.log(fit.outputs), np.log(problem.y[problem.folds[0][1]]))[0, 1] > 0.9
    assert 0.5 <= fit.learned["target_factor"] <= 3.0


def test_both_ways_are_tried_and_the_better_one_wins(skewed, recorder, tmp_path):
    result = search(skewed, dataclasses.replace(PLAN, ensemble=False), observer=recorder, work_folder=tmp_path)
    assert {trial.params[TRANSFORM] for trial in result.candidates[:2]} == {"none", "log"}
    best = min(result.candidates, key=lambda trial: trial.score)
    assert result.hyperparameters[TRANSFORM] == best.params[TRANSFORM]
    check_hyperparameters("lightgbm", result.hyperparameters, "regression")  # as it may be asked for again


def test_a_family_takes_the_users_choice(skewed):
    plan = dataclasses.replace(PLAN, hyperparameters={TRANSFORM: "log"})
    family = find_families("lightgbm", "regression")[0]
    schedule = Schedule([family], plan, "rmse", fit_options("regression", skewed["y"].to_numpy()))
    assert TRANSFORM not in schedule.space(family)
    assert schedule.complete(family, {})[TRANSFORM] == "log"


def test_a_bad_choice_is_pointed_at():
    with pytest.raises(BadHyperparameter, match="one of none, log"):
        check_hyperparameters("auto", {TRANSFORM: "square"}, "regression")
    with pytest.raises(BadHyperparameter):
        check_hyperparameters("auto", {TRANSFORM: "log"}, "classification")
