"""SHAP values that are exact: of trees (Lundberg et al. 2020) and of linear models, per column of their matrix.

LightGBM and XGBoost compute them themselves, and are asked directly: shap's TreeExplainer asks them too, but first
reads every tree, which takes seconds for some hundred. Whatever does not add up to the estimator's own output counts
as not known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import shap
import xgboost
from scipy.special import expit, softmax
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

FloatArray = npt.NDArray[np.float64]
Contributions = tuple[FloatArray, FloatArray]

FORESTS = (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor)
HISTOGRAMS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
# An exact value of a leaf costs depth steps, of which a prediction takes one; measured on forests of 15 000 leaves.
STEPS_PER_PREDICTION = 100
CLOSE = 1e-4  # boosters add in single precision


@dataclass(frozen=True)
class ExactShap:
    """How to get exact values of an estimator.

    Attributes:
        kind: ``tree`` or ``linear``.
        output: What the values add up to: ``prediction`` (a number), ``probability`` (of each class) or ``log_odds``
            (of the second class, or before the softmax of each class).
        explain: A matrix of shape (n_rows, n_columns) in; values of shape (n_rows, n_columns, n_outputs) and base
            values of shape (n_outputs,) out. Base and values of a row add up to its output.
    """

    kind: str
    output: str
    explain: Callable[[FloatArray], Contributions]


def find_exact_shap(estimator: Any, background: FloatArray, *, n_predictions: int) -> ExactShap | None:
    """Exact values of a fitted estimator, None where they are not known or cost more than sampled ones.

    Args:
        estimator: Fitted, with ``predict`` and maybe ``predict_proba``.
        background: Some rows of its matrix, that linear models are compared with and the sums are tried on.
        n_predictions: How many a sampled explanation of one row would take.
    """
    known = _explain_trees(estimator, n_predictions), _explain_linear(estimator, background)
    for kind, explain in zip(("tree", "linear"), known, strict=True):
        if explain is None:
            continue
        try:
            values, base = explain(background)
        except Exception:  # parameters of a user may make an estimator of a kind these sums do not know
            return None
        output = _output_of(estimator, background, values.sum(axis=1) + base)
        return None if output is None else ExactShap(kind, output, explain)
    return None


def _explain_trees(estimator: Any, n_predictions: int) -> Callable[[FloatArray], Contributions] | None:
    if isinstance(estimator, lightgbm.LGBMModel):
        return lambda X: _split_base(estimator.predict(X, pred_contrib=True), X.shape[1])
    if isinstance(estimator, xgboost.XGBModel):
        return lambda X: _explain_xgboost(estimator, X)
    is_forest = isinstance(estimator, FORESTS)
    if isinstance(estimator, HISTOGRAMS) or (is_forest and _is_shallow(estimator, n_predictions)):
        explainer = shap.TreeExplainer(estimator)

        def explain(X: FloatArray) -> Contributions:
            values = np.asarray(explainer.shap_values(X, check_additivity=False), dtype=np.float64)
            return values.reshape(len(X), X.shape[1], -1), np.atleast_1d(explainer.expected_value)

        return explain
    return None


def _is_shallow(forest: Any, n_predictions: int) -> bool:
    steps = np.mean([tree.get_n_leaves() * tree.get_depth() for tree in forest.estimators_])
    return bool(steps <= STEPS_PER_PREDICTION * n_predictions)


def _explain_xgboost(estimator: Any, X: FloatArray) -> Contributions:
    booster = estimator.get_booster()
    best = booster.attr("best_iteration")
    rounds = (0, 0) if best is None else (0, int(best) + 1)
    rows = xgboost.DMatrix(X, feature_types=booster.feature_types, enable_categorical=True, nthread=1)
    return _split_base(booster.predict(rows, pred_contribs=True, iteration_range=rounds), X.shape[1])


def _split_base(contributions: Any, n_columns: int) -> Contributions:
    """The boosters give each output's base behind its columns, all outputs side by side."""
    whole = np.asarray(contributions, dtype=np.float64)
    whole = whole.reshape(len(whole), -1, n_columns + 1).transpose(0, 2, 1)
    return whole[:, :-1], whole[0, -1]


def _explain_linear(estimator: Any, background: FloatArray) -> Callable[[FloatArray], Contributions] | None:
    """Coefficient times distance from the mean; a target that was scaled for the fit is scaled back."""
    inner, shift, scale = estimator, 0.0, 1.0
    if isinstance(estimator, TransformedTargetRegressor):
        inner = estimator.regressor_
        shift, one = estimator.transformer_.inverse_transform([[0.0], [1.0]]).ravel()
        scale = one - shift
    if not hasattr(inner, "coef_") or not hasattr(inner, "intercept_"):
        return None
    coefficients = scale * np.atleast_2d(inner.coef_).T
    mean = background.mean(axis=0)
    base = shift + scale * np.atleast_1d(inner.intercept_) + mean @ coefficients
    return lambda X: ((X - mean)[:, :, None] * coefficients[None], base)


def _output_of(estimator: Any, X: FloatArray, total: FloatArray) -> str | None:
    """What sums of shape (n_rows, n_outputs) are, None where they are nothing of the estimator's."""
    if not hasattr(estimator, "predict_proba"):
        predicted = np.asarray(estimator.predict(X), dtype=np.float64)
        is_near = np.allclose(total[:, 0], predicted, rtol=CLOSE, atol=CLOSE * float(np.std(predicted)))
        return "prediction" if is_near else None
    proba = estimator.predict_proba(X)
    if total.shape == proba.shape and np.allclose(total, proba, rtol=0, atol=CLOSE):
        return "probability"
    if total.shape[1] == 1 and proba.shape[1] == 2 and np.allclose(expit(total[:, 0]), proba[:, 1], rtol=0, atol=CLOSE):
        return "log_odds"
    if total.shape == proba.shape and np.allclose(softmax(total, axis=1), proba, rtol=0, atol=CLOSE):
        return "log_odds"
    return None
