"""CatBoost; categories are encoded by ordered target statistics of its own, gaps are a value of their own.

The portfolio's figures are those of AutoGluon (``zeroshot_portfolio_2023``), learned by TabRepo (Salinas & Erickson
2024) over 200 tables; ours stops early on the validation rows.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import catboost
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from studio.automl.estimators import EstimatorFamily, FitContext, TrainingRows
from studio.automl.spaces import Choice, FloatRange, IntRange, Limits, Space, bad_hyperparameter
from studio_catboost.limits import NEEDS, limits_of

FloatArray = npt.NDArray[np.float64]

MAX_ROUNDS = 3000
PATIENCE = 60  # rounds without a gain
MISSING = -1  # the code of a category that is missing
ROUNDS = ("iterations", "n_estimators", "num_boost_round", "num_trees")


class CatBoostModel(BaseEstimator):  # type: ignore[misc]
    """A fitted CatBoost model that takes a float matrix, codes of categories among its columns.

    Args:
        model: Fitted.
        categorical: Columns that hold codes.
    """

    def __init__(self, model: Any, categorical: Sequence[int]) -> None:
        self.model = model
        self.categorical = categorical

    def predict(self, X: FloatArray) -> FloatArray:
        """Numbers of shape (n_rows,), or class codes."""
        return np.asarray(self.model.predict(make_pool(X, self.categorical), thread_count=1)).ravel()

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Probabilities of shape (n_rows, n_classes)."""
        return np.asarray(self.model.predict_proba(make_pool(X, self.categorical), thread_count=1))


class _Clock:
    """Ends boosting when the time is over."""

    def __init__(self, is_out_of_time: Callable[[], bool]) -> None:
        self.is_out_of_time = is_out_of_time

    def after_iteration(self, info: Any) -> bool:
        return not self.is_out_of_time()


class CatBoost(EstimatorFamily):
    """CatBoost."""

    name = "catboost"
    tasks = frozenset({"classification", "regression"})
    cost = 45
    categories = "native"
    accepts_missing = True
    is_bagged = True

    def space(self, task: str) -> Space:
        return {
            "learning_rate": FloatRange(0.005, 0.2, log=True),
            "depth": IntRange(3, 9),
            "l2_leaf_reg": FloatRange(0.5, 30.0, log=True),
            "max_ctr_complexity": IntRange(1, 5),
            "one_hot_max_size": IntRange(2, 25, log=True),
            "grow_policy": Choice(("SymmetricTree", "Depthwise")),
        }

    def default(self, task: str) -> Mapping[str, Any]:
        return {
            "learning_rate": 0.06,
            "depth": 6,
            "l2_leaf_reg": 3.0,
            "max_ctr_complexity": 2,
            "one_hot_max_size": 4,
            "grow_policy": "SymmetricTree",
            "iterations": MAX_ROUNDS,
        }

    def portfolio(self, task: str) -> Sequence[Mapping[str, Any]]:
        names = ("depth", "grow_policy", "l2_leaf_reg", "learning_rate", "max_ctr_complexity", "one_hot_max_size")
        figures = (
            (6, "SymmetricTree", 2.154, 0.0686, 4, 10),
            (8, "Depthwise", 2.800, 0.0314, 2, 3),
            (4, "SymmetricTree", 4.559, 0.0494, 3, 3),
            (8, "SymmetricTree", 3.331, 0.0199, 3, 10),
        )
        return [dict(zip(names, row, strict=True)) for row in figures]

    def estimator_class(self, task: str) -> type:
        found: type = catboost.CatBoostClassifier if task == "classification" else catboost.CatBoostRegressor
        return found

    def limits(self, task: str) -> Limits:
        return limits_of(task)

    def parameter_names(self, task: str) -> frozenset[str]:
        return frozenset(self.limits(task))

    def check(self, params: Mapping[str, Any], task: str) -> None:
        super().check(params, task)
        for name, (other, values) in NEEDS.items():
            if name in params and params.get(other) not in values:
                wanted = " or ".join(str(value) for value in values if value)
                raise bad_hyperparameter(self.name, name, f"it needs {other}: {wanted} beside it")
        if params.get("boosting_type") == "Ordered" and params.get("grow_policy") != "SymmetricTree":
            raise bad_hyperparameter(self.name, "boosting_type", "Ordered needs grow_policy: SymmetricTree beside it")

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> CatBoostModel:
        given = {"iterations": MAX_ROUNDS, **params}
        for name in ROUNDS[1:]:  # other names of the same
            if name in given:
                given["iterations"] = given.pop(name)
        fixed: dict[str, Any] = {
            "random_seed": context.random_state,
            "thread_count": context.threads,
            "logging_level": "Silent",
            "allow_writing_files": False,
        }
        if context.is_absolute:
            fixed["loss_function"] = "MAE"
        watched: dict[str, Any] = {}
        if context.validation is not None and not set(ROUNDS) & context.pinned:
            held_out = context.validation
            watched = {
                "eval_set": make_pool(held_out.X, context.categorical, held_out.y),
                "early_stopping_rounds": PATIENCE,
                "use_best_model": True,
            }
        model = self.estimator_class(context.task)(**{**fixed, **given})
        pool = make_pool(rows.X, context.categorical, rows.y, rows.weights)
        model.fit(pool, callbacks=[_Clock(context.is_out_of_time)], **watched)
        return CatBoostModel(model, tuple(context.categorical))

    def learned(self, params: Mapping[str, Any], estimator: CatBoostModel) -> Mapping[str, float]:
        n_grown = int(estimator.model.tree_count_)
        return {"iterations": max(1, n_grown)} if n_grown < params.get("iterations", MAX_ROUNDS) else {}

    def importances(self, estimator: CatBoostModel) -> Mapping[str, FloatArray]:
        gain = np.asarray(estimator.model.get_feature_importance(type="PredictionValuesChange"), dtype=np.float64)
        return {"gain": np.nan_to_num(gain)}


def make_pool(
    X: FloatArray,
    categorical: Sequence[int],
    y: npt.NDArray[Any] | None = None,
    weights: FloatArray | None = None,
) -> Any:
    """CatBoost's own table of a float matrix, whose codes of categories become whole numbers."""
    is_category = np.isin(np.arange(X.shape[1]), list(categorical))
    if not is_category.any():
        return catboost.Pool(np.ascontiguousarray(X, dtype=np.float32), y, weight=weights)
    codes = np.where(np.isnan(X[:, is_category]), MISSING, X[:, is_category]).astype(np.int64)
    table = np.empty(X.shape, dtype=object)
    table[:, ~is_category] = X[:, ~is_category]
    table[:, is_category] = codes
    return catboost.Pool(table, y, weight=weights, cat_features=np.flatnonzero(is_category).tolist())
