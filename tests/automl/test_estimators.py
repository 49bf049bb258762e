"""Algorithms and hyperparameters are known before anything is trained."""

import numpy as np
import pytest

from studio.automl.estimators import check_hyperparameters, find_families, known_algorithms
from studio.automl.fitting import Configuration, Fitter
from studio.automl.plan import Plan
from studio.automl.problem import prepare_problem
from studio.errors import BadHyperparameter, UnknownAlgorithm
from tests.automl.conftest import MESSY_TYPES


def test_linear_models_serve_one_task_each():
    both = {"auto", "lightgbm", "xgboost", "hist_gradient_boosting", "extra_trees", "random_forest", "neural_network"}
    assert set(known_algorithms("classification")) == both | {"logistic_regression"}
    assert set(known_algorithms("regression")) == both | {"linear_regression"}


def test_an_algorithm_that_does_not_serve_the_task_is_unknown():
    with pytest.raises(UnknownAlgorithm) as caught:
        find_families("linear_regression", "classification")
    assert "lightgbm" in caught.value.details["known"]


def test_a_plugin_is_an_algorithm(toy_family):
    assert "toy" in known_algorithms("regression")
    assert "toy" not in known_algorithms("classification")


@pytest.mark.parametrize(
    ("algorithm", "params", "name"),
    [
        ("lightgbm", {"num_leaf": 3}, "num_leaf"),
        ("lightgbm", {"num_leaves": "many"}, "num_leaves"),
        ("xgboost", {"max_depth": 2.5}, "max_depth"),
        ("random_forest", {"max_depth": -7}, "max_depth"),
        ("extra_trees", {"n_jobs": 4}, "n_jobs"),
        ("hist_gradient_boosting", {"learning_rate": True}, "learning_rate"),
        ("logistic_regression", {"C": 1.0, "solver": "magic"}, "solver"),
        ("auto", {"nobody_knows": 1}, "nobody_knows"),
        ("auto", {"num_leaves": "many"}, "num_leaves"),
    ],
)
def test_a_bad_hyperparameter_is_pointed_at(algorithm, params, name):
    with pytest.raises(BadHyperparameter) as caught:
        check_hyperparameters(algorithm, params, "classification")
    assert caught.value.fields[0][0] == f"/config/hyperparameters/{name}"


@pytest.mark.parametrize(
    ("algorithm", "params"),
    [
        ("lightgbm", {"num_leaves": 7, "lambda_l1": 0.5, "n_estimators": 10}),
        ("xgboost", {"max_depth": 7, "gamma": 1}),
        ("random_forest", {"max_depth": None, "max_features": "sqrt"}),
        ("auto", {"max_depth": 5, "num_leaves": 9}),
    ],
)
def test_what_the_algorithm_takes_is_let_through(algorithm, params):
    check_hyperparameters(algorithm, params, "classification")


def test_a_fold_without_a_class_still_gives_all_probabilities(messy):
    messy["y"] = np.where(np.arange(len(messy)) == 5, "once", messy["y"])
    problem = prepare_problem(messy, Plan(task="classification", target="y", column_types=MESSY_TYPES))
    fold = next(i for i, (_, validation) in enumerate(problem.folds) if 5 in validation)
    family = find_families("logistic_regression", "classification")[0]
    fit = Fitter(problem, 1).fit_fold(Configuration(family, family.default("classification")), fold, None)
    assert fit.outputs.shape == (len(problem.folds[fold][1]), 3)
    np.testing.assert_allclose(fit.outputs.sum(axis=1), 1.0)
    assert (fit.outputs[:, problem.labels.index("once")] == 0).all()
