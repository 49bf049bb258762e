"""CatBoost keeps the contract of estimator families, and a search uses it."""

import pickle

import numpy as np
import pandas as pd
import pytest
from studio_catboost.family import CatBoost
from threadpoolctl import threadpool_limits

from studio.automl.estimators import FitContext, TrainingRows, check_hyperparameters, known_algorithms
from studio.automl.plan import Plan
from studio.automl.search import search
from studio.errors import BadHyperparameter
from studio.testing.estimator_family_contract import EstimatorFamilyContract

TYPES = {"colour": "category", "size": "number", "y": "category"}


class Silent:
    """An observer that listens to nothing."""

    def phase(self, phase, fraction, message): ...

    def log(self, level, message, **facts): ...

    def trial(self, trial): ...


class TestCatBoost(EstimatorFamilyContract):
    @pytest.fixture
    def family(self):
        return CatBoost()


def table(n=300):
    rng = np.random.default_rng(0)
    colour = np.array(["red", "green", "blue", None], dtype=object)[rng.integers(4, size=n)]
    size = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    likely = np.where(colour == "red", 0.9, 0.2)
    return pd.DataFrame({"colour": colour, "size": size, "y": np.where(rng.random(n) < likely, "yes", "no")})


def test_it_is_installed_as_an_algorithm():
    for task in ("classification", "regression", "time_series"):
        assert "catboost" in known_algorithms(task)
    check_hyperparameters("catboost", {"depth": 4, "bagging_temperature": 0.5}, "classification")
    with pytest.raises(BadHyperparameter):
        check_hyperparameters("catboost", {"train_dir": "/tmp"}, "classification")


def test_a_search_fits_it_with_categories_and_gaps(tmp_path):
    frame = table()
    plan = Plan(
        task="classification", target="y", column_types=TYPES, algorithm="catboost", budget_s=None, max_trials=2
    )
    result = search(frame, plan, observer=Silent(), work_folder=tmp_path)
    assert result.algorithm in ("catboost", "ensemble")
    assert result.metrics["test"]["roc_auc"] > 0.6
    assert max(result.importances["gain"], key=result.importances["gain"].get) == "colour"
    with threadpool_limits(1):
        again = pickle.loads(pickle.dumps(result.estimator))
        predicted = again.predict(pd.DataFrame({"colour": ["red", "blue", "new"], "size": [0.0, None, 1.0]}))
    assert predicted[:2].tolist() == ["yes", "no"]


def test_it_stops_early_and_says_after_how_many_rounds():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 3))
    y = (rng.random(200) < 0.5).astype(int)
    context = FitContext(
        task="classification", metric="log_loss", n_classes=2, threads=1, random_state=0,
        validation=TrainingRows(X[100:], y[100:]),
    )  # fmt: skip
    family = CatBoost()
    params = {**family.default("classification"), "iterations": 500}
    with threadpool_limits(1):
        estimator = family.fit(params, TrainingRows(X[:100], y[:100]), context)
    assert 1 <= family.learned(params, estimator)["iterations"] < 500
