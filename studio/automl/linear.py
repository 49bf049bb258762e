"""Linear models on scaled columns and one-hot categories."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from studio.automl.estimators import EstimatorFamily, FitContext, FloatArray, TrainingRows
from studio.automl.spaces import Choice, FloatRange, Limits, Number, Space, bad_hyperparameter


class LogisticRegressionFamily(EstimatorFamily):
    """Logistic regression, multinomial for more than two classes."""

    name = "logistic_regression"
    tasks = frozenset({"classification"})
    cost = 25
    categories = "onehot"
    scale = True
    kept_back = frozenset({"dual", "intercept_scaling", "penalty"})  # the last gives way to l1_ratio

    def space(self, task: str) -> Space:
        return {"C": FloatRange(1e-3, 100.0, log=True)}

    def default(self, task: str) -> Mapping[str, Any]:
        return {"C": 1.0, "max_iter": 200}

    def portfolio(self, task: str) -> Sequence[Mapping[str, Any]]:
        return ({"C": 0.05},)

    def estimator_class(self, task: str) -> type:
        found: type = LogisticRegression
        return found

    def limits(self, task: str) -> Limits:
        return {
            "C": Number(above=0),
            "class_weight": Choice(("balanced", None)),
            "solver": Choice(("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")),  # liblinear knows two classes
        }

    def check(self, params: Mapping[str, Any], task: str) -> None:
        super().check(params, task)
        if params.get("l1_ratio") and params.get("solver") != "saga":
            raise bad_hyperparameter(self.name, "l1_ratio", 'above 0 it needs solver: "saga" beside it')

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        estimator = LogisticRegression(**{"random_state": context.random_state, **params})
        return estimator.fit(rows.X, rows.y, sample_weight=rows.weights)

    def importances(self, estimator: Any) -> Mapping[str, FloatArray]:
        return _magnitudes(estimator.coef_)


class LinearRegressionFamily(EstimatorFamily):
    """Least squares with a penalty on the scaled target: ridge for ``l1_ratio`` 0, elastic net above."""

    name = "linear_regression"
    tasks = frozenset({"regression"})
    cost = 25
    categories = "onehot"
    scale = True

    def space(self, task: str) -> Space:
        return {"alpha": FloatRange(1e-4, 100.0, log=True), "l1_ratio": Choice((0.0, 0.2, 0.5, 0.9))}

    def default(self, task: str) -> Mapping[str, Any]:
        return {"alpha": 1.0, "l1_ratio": 0.0, "fit_intercept": True}

    def portfolio(self, task: str) -> Sequence[Mapping[str, Any]]:
        return ({"alpha": 0.001, "l1_ratio": 0.5},)

    def estimator_class(self, task: str) -> type:
        found: type = ElasticNet
        return found

    def parameter_names(self, task: str) -> frozenset[str]:
        return frozenset({"alpha", "l1_ratio", "fit_intercept", "max_iter", "tol", "positive"})

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        plain = dict(params)
        if plain.get("l1_ratio", 0.0) == 0.0:
            plain.pop("l1_ratio", None)
            estimator: Any = Ridge(**{"random_state": context.random_state, **plain})
        else:
            estimator = ElasticNet(**{"random_state": context.random_state, **plain})
        scaled = TransformedTargetRegressor(regressor=estimator, transformer=StandardScaler())
        return scaled.fit(rows.X, rows.y, sample_weight=rows.weights)

    def importances(self, estimator: Any) -> Mapping[str, FloatArray]:
        return _magnitudes(estimator.regressor_.coef_)


def _magnitudes(coefficients: FloatArray) -> Mapping[str, FloatArray]:
    sizes = np.abs(np.atleast_2d(coefficients)).mean(axis=0)
    return {"gain": sizes, "split": sizes}
