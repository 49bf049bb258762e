"""Gradient boosting: LightGBM, XGBoost and scikit-learn's histogram boosting.

The portfolios' figures are those of AutoGluon (``zeroshot_portfolio_2023`` and ``..._cpu_2025_12_18``),
learned by TabRepo (Salinas & Erickson 2024) over 200 tables; ours stop early on the validation rows.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightgbm
import numpy as np
import xgboost
from lightgbm.callback import CallbackEnv, EarlyStopException
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from studio.automl.booster_limits import lightgbm_limits, xgboost_limits
from studio.automl.estimators import EstimatorFamily, FitContext, FloatArray, TrainingRows
from studio.automl.spaces import Choice, FloatRange, IntRange, Limits, Number, Space

MAX_ROUNDS = 3000
FIRST_ROUNDS = 10  # of histogram boosting before the clock is asked
GROWTH = 3  # of its steps: each bins the columns anew, so there are few of them
BOTH = frozenset({"classification", "regression"})


def patience_of(learning_rate: float) -> int:
    """Rounds without a gain after which boosting stops; small steps need longer to show one."""
    return int(np.clip(2 / max(learning_rate, 1e-3), 30, 150))


def _rows_of(names: Sequence[str], figures: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in figures]


class LightGBM(EstimatorFamily):
    """LightGBM; categories are split on as sets, gaps go the way that fits best."""

    name = "lightgbm"
    tasks = BOTH
    cost = 20
    second_cost = 47
    is_bagged = True
    categories = "native"
    accepts_missing = True

    def space(self, task: str) -> Space:
        return {
            "learning_rate": FloatRange(0.005, 0.2, log=True),
            "num_leaves": IntRange(4, 255, log=True),
            "min_child_samples": IntRange(1, 100, log=True),
            "colsample_bytree": FloatRange(0.4, 1.0),
            "subsample": FloatRange(0.6, 1.0),
            "reg_alpha": FloatRange(1e-4, 10.0, log=True),
            "reg_lambda": FloatRange(1e-4, 10.0, log=True),
            "extra_trees": Choice((False, True)),
            "cat_smooth": FloatRange(0.01, 100.0, log=True),
            "max_cat_to_onehot": IntRange(4, 100, log=True),
            "min_data_per_group": IntRange(2, 100, log=True),
        }

    def default(self, task: str) -> Mapping[str, Any]:
        return {
            "learning_rate": 0.06,
            "num_leaves": 31,
            "min_child_samples": 20,
            "colsample_bytree": 0.9,
            "subsample": 0.9,
            "reg_alpha": 1e-4,
            "reg_lambda": 1e-3,
            "extra_trees": False,
            "cat_smooth": 10.0,
            "max_cat_to_onehot": 6,
            "min_data_per_group": 20,
            "n_estimators": MAX_ROUNDS,
        }

    def first_tries(self, task: str, *, is_small: bool) -> Sequence[Mapping[str, Any]]:
        # Of seven cross-validated tables random splits were better on five, and faster; of three larger ones on one.
        steady = {"num_leaves": 16, "colsample_bytree": 0.7, "extra_trees": True}
        return (steady, {}) if is_small else ({}, steady)

    def portfolio(self, task: str) -> Sequence[Mapping[str, Any]]:
        names = ("learning_rate", "num_leaves", "min_child_samples", "colsample_bytree", "extra_trees")
        figures = (
            (0.03, 16, 20, 0.7, True),
            (0.03, 128, 3, 0.9, False),
            (0.0186, 22, 6, 0.742, False),
            (0.0339, 127, 6, 0.828, True),
            (0.0121, 53, 14, 0.702, False),
            (0.0471, 89, 56, 0.625, False),
            (0.0152, 16, 48, 0.564, True),
            (0.0134, 20, 2, 0.425, False),
            (0.0105, 252, 11, 0.590, False),
        )
        return _rows_of(names, figures)

    def estimator_class(self, task: str) -> type:
        found: type = lightgbm.LGBMClassifier if task == "classification" else lightgbm.LGBMRegressor
        return found

    def limits(self, task: str) -> Limits:
        return lightgbm_limits(task)

    def parameter_names(self, task: str) -> frozenset[str]:
        return frozenset(self.limits(task))

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        fixed: dict[str, Any] = {
            "random_state": context.random_state,
            "n_jobs": context.threads,
            "verbosity": -1,
        }
        fixed |= {"deterministic": True, "force_col_wise": True, "subsample_freq": 1}
        if context.is_absolute:
            fixed["objective"] = "regression_l1"
        watched: dict[str, Any] = {}
        patience = None
        if context.validation is not None and "n_estimators" not in context.pinned:
            patience = patience_of(float(params.get("learning_rate", 0.1)))
            watched = {"eval_X": context.validation.X, "eval_y": context.validation.y}
        estimator = self.estimator_class(context.task)(**{**fixed, **params})
        estimator.fit(
            rows.X,
            rows.y,
            sample_weight=rows.weights,
            categorical_feature=list(context.categorical) or "auto",
            callbacks=[_StopLightGBM(context.is_out_of_time, patience)],
            **watched,
        )
        return estimator.set_params(n_jobs=1)

    def learned(self, params: Mapping[str, Any], estimator: Any) -> Mapping[str, float]:
        rounds = estimator.best_iteration_
        return {"n_estimators": rounds} if rounds else {}

    def importances(self, estimator: Any) -> Mapping[str, FloatArray]:
        booster = estimator.booster_
        return {kind: np.asarray(booster.feature_importance(kind), dtype=np.float64) for kind in ("gain", "split")}


class _StopLightGBM:
    """Ends boosting when the validation score stays put, or the time is over, with the best round so far."""

    order = 30
    before_iteration = False

    def __init__(self, is_out_of_time: Callable[[], bool], patience: int | None) -> None:
        self.is_out_of_time = is_out_of_time
        self.patience = patience
        self.best = -np.inf
        self.best_round = 0

    def __call__(self, env: CallbackEnv) -> None:
        results = env.evaluation_result_list or []
        if self.patience is None or not results:
            self.best_round = env.iteration
        else:
            score = results[0][2] if results[0][3] else -results[0][2]
            if score > self.best:
                self.best, self.best_round = score, env.iteration
        is_stale = self.patience is not None and env.iteration - self.best_round >= self.patience
        is_last = self.patience is not None and env.iteration == env.end_iteration - 1
        if is_stale or is_last or self.is_out_of_time():
            raise EarlyStopException(self.best_round, results)


class XGBoost(EstimatorFamily):
    """XGBoost's histogram method; categories are split on as sets, gaps go the way that fits best."""

    name = "xgboost"
    tasks = BOTH
    cost = 30
    is_bagged = True
    categories = "native"
    accepts_missing = True

    def space(self, task: str) -> Space:
        return {
            "learning_rate": FloatRange(0.005, 0.2, log=True),
            "max_depth": IntRange(3, 10),
            "min_child_weight": FloatRange(0.001, 20.0, log=True),
            "colsample_bytree": FloatRange(0.4, 1.0),
            "subsample": FloatRange(0.6, 1.0),
            "reg_alpha": FloatRange(1e-4, 10.0, log=True),
            "reg_lambda": FloatRange(1e-3, 10.0, log=True),
            "max_cat_to_onehot": IntRange(4, 100, log=True),
        }

    def default(self, task: str) -> Mapping[str, Any]:
        return {
            "learning_rate": 0.08,
            "max_depth": 6,
            "min_child_weight": 1.0,
            "colsample_bytree": 0.9,
            "subsample": 0.9,
            "reg_alpha": 1e-4,
            "reg_lambda": 1.0,
            "max_cat_to_onehot": 4,
            "n_estimators": MAX_ROUNDS,
        }

    def portfolio(self, task: str) -> Sequence[Mapping[str, Any]]:
        names = ("learning_rate", "max_depth", "min_child_weight", "colsample_bytree")
        figures = (
            (0.03, 4, 0.924, 0.75),
            (0.018, 10, 0.602, 0.692),
            (0.0384, 7, 0.556, 0.745),
            (0.0663, 5, 1.409, 0.976),
            (0.0294, 10, 1.153, 0.546),
            (0.01, 4, 0.924, 0.751),
        )
        return _rows_of(names, figures)

    def estimator_class(self, task: str) -> type:
        found: type = xgboost.XGBClassifier if task == "classification" else xgboost.XGBRegressor
        return found

    def limits(self, task: str) -> Limits:
        return xgboost_limits(task)

    def parameter_names(self, task: str) -> frozenset[str]:
        return frozenset(self.limits(task))

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        kinds = ["q"] * rows.X.shape[1]
        for column in context.categorical:
            kinds[column] = "c"
        fixed: dict[str, Any] = {
            "random_state": context.random_state,
            "n_jobs": context.threads,
            "verbosity": 0,
        }
        fixed |= {"tree_method": "hist", "enable_categorical": True, "feature_types": kinds}
        if context.is_absolute:
            fixed["objective"] = "reg:absoluteerror"
        watched: dict[str, Any] = {}
        if context.validation is not None and "n_estimators" not in context.pinned:
            fixed["early_stopping_rounds"] = patience_of(float(params.get("learning_rate", 0.3)))
            watched["eval_set"] = [(context.validation.X, context.validation.y)]
        fixed["callbacks"] = [_StopXGBoost(context.is_out_of_time)]
        estimator = self.estimator_class(context.task)(**{**fixed, **params})
        estimator.fit(rows.X, rows.y, sample_weight=rows.weights, verbose=False, **watched)
        return estimator.set_params(n_jobs=1, callbacks=None)

    def learned(self, params: Mapping[str, Any], estimator: Any) -> Mapping[str, float]:
        if estimator.early_stopping_rounds is None:
            return {}
        best = estimator.get_booster().attr("best_iteration")
        return {"n_estimators": 1 if best is None else int(best) + 1}

    def importances(self, estimator: Any) -> Mapping[str, FloatArray]:
        booster = estimator.get_booster()
        n_columns = booster.num_features()
        found = {}
        for method, kind in (("gain", "total_gain"), ("split", "weight")):
            scores = booster.get_score(importance_type=kind)
            found[method] = np.array([scores.get(f"f{column}", 0.0) for column in range(n_columns)])
        return found


class _StopXGBoost(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    def __init__(self, is_out_of_time: Callable[[], bool]) -> None:
        super().__init__()
        self.is_out_of_time = is_out_of_time

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        return self.is_out_of_time()


class HistGradientBoosting(EstimatorFamily):
    """scikit-learn's histogram boosting."""

    name = "hist_gradient_boosting"
    tasks = BOTH
    cost = 70
    is_bagged = True
    categories = "native"
    accepts_missing = True
    max_categories = 250  # scikit-learn takes 255 and needs room for the rare and the missing
    kept_back = frozenset({"categorical_features", "monotonic_cst", "early_stopping", "scoring", "quantile"})

    def space(self, task: str) -> Space:
        return {
            "learning_rate": FloatRange(0.01, 0.3, log=True),
            "max_leaf_nodes": IntRange(4, 127, log=True),
            "min_samples_leaf": IntRange(2, 100, log=True),
            "l2_regularization": FloatRange(1e-4, 10.0, log=True),
            "max_features": FloatRange(0.4, 1.0),
        }

    def default(self, task: str) -> Mapping[str, Any]:
        return {
            "learning_rate": 0.08,
            "max_leaf_nodes": 31,
            "min_samples_leaf": 20,
            "l2_regularization": 1e-3,
            "max_features": 0.9,
            "max_iter": 1000,
        }

    def portfolio(self, task: str) -> Sequence[Mapping[str, Any]]:
        names = ("learning_rate", "max_leaf_nodes", "min_samples_leaf", "max_features")
        return _rows_of(names, ((0.04, 16, 10, 0.6), (0.05, 96, 10, 0.7)))

    def estimator_class(self, task: str) -> type:
        is_classification = task == "classification"
        found: type = HistGradientBoostingClassifier if is_classification else HistGradientBoostingRegressor
        return found

    def limits(self, task: str) -> Limits:
        limits: dict[str, Any] = {
            "interaction_cst": Choice(("pairwise", "no_interactions", None)),
            "learning_rate": Number(above=0),  # asked for as a number before the fit
        }
        if task == "classification":
            return {**limits, "class_weight": Choice(("balanced", None))}
        return {**limits, "loss": Choice(("squared_error", "absolute_error", "gamma", "poisson"))}

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        fixed: dict[str, Any] = {"random_state": context.random_state, "early_stopping": False}
        fixed["categorical_features"] = list(context.categorical) or None
        if context.is_absolute:
            fixed["loss"] = "absolute_error"
        watched: dict[str, Any] = {}
        if context.validation is not None and "max_iter" not in context.pinned:
            fixed |= {"early_stopping": True, "n_iter_no_change": patience_of(float(params["learning_rate"]))}
            watched = {"X_val": context.validation.X, "y_val": context.validation.y}
        estimator = self.estimator_class(context.task)(**{**fixed, **params, "warm_start": True})
        n_rounds, done, size = int(params["max_iter"]), 0, FIRST_ROUNDS
        while True:
            started = time.monotonic()
            estimator.set_params(max_iter=min(size, n_rounds))
            estimator.fit(rows.X, rows.y, sample_weight=rows.weights, **watched)
            round_s = (time.monotonic() - started) / (min(size, n_rounds) - done)
            done = size
            size = min(GROWTH * done, done + int(min(context.seconds_left() / round_s, n_rounds)))
            if done >= n_rounds or estimator.n_iter_ < done or context.is_out_of_time() or size == done:
                return estimator.set_params(warm_start=False)

    def learned(self, params: Mapping[str, Any], estimator: Any) -> Mapping[str, float]:
        return {"max_iter": estimator.n_iter_} if estimator.do_early_stopping_ else {}
