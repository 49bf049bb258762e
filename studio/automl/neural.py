"""Feed-forward networks: weaker than boosted trees on most tables, but wrong in other places, which blends live on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.neural_network import MLPClassifier, MLPRegressor

from studio.automl.estimators import EstimatorFamily, FitContext, FloatArray, TrainingRows
from studio.automl.spaces import Choice, FloatRange, IntRange, Limits, ListOf, Number, Space

CHUNK_ROWS = 20_000  # between two looks at the clock
WHOLE = Number(low=1, is_whole=True)
PATIENCE = 12  # epochs without a gain
LEAST = 1e-7  # probabilities are cut here before their logarithm


class NeuralNetwork(EstimatorFamily):
    """scikit-learn's multi-layer perceptron, trained epoch by epoch and set back to its best one."""

    name = "neural_network"
    tasks = frozenset({"classification", "regression"})
    cost = 45
    categories = "onehot"
    scale = True
    is_bagged = True
    kept_back = frozenset({"early_stopping", "validation_fraction", "n_iter_no_change", "max_fun", "tol"})

    def space(self, task: str) -> Space:
        return {
            "width": IntRange(16, 256, log=True),
            "n_layers": IntRange(1, 4),
            "activation": Choice(("relu", "tanh")),
            "learning_rate_init": FloatRange(3e-4, 1e-2, log=True),
            "alpha": FloatRange(1e-5, 3.0, log=True),
            "batch_size": IntRange(32, 512, log=True),
        }

    def default(self, task: str) -> Mapping[str, Any]:
        return {
            "width": 96,
            "n_layers": 2,
            "activation": "relu",
            "learning_rate_init": 2e-3,
            "alpha": 0.1,
            "batch_size": 128,
            "max_iter": 150,
        }

    def portfolio(self, task: str) -> list[Mapping[str, Any]]:
        return [
            {"width": 192, "n_layers": 3, "learning_rate_init": 1e-3, "batch_size": 256},
            {"width": 64, "n_layers": 1, "alpha": 1.0, "activation": "tanh"},
            {"width": 128, "n_layers": 4, "alpha": 0.01, "learning_rate_init": 1e-3},
        ]

    def estimator_class(self, task: str) -> type:
        found: type = MLPClassifier if task == "classification" else MLPRegressor
        return found

    def limits(self, task: str) -> Limits:
        limits: dict[str, Any] = {
            "width": WHOLE,
            "n_layers": WHOLE,
            "hidden_layer_sizes": ListOf(WHOLE),
            "batch_size": WHOLE,
            "solver": Choice(("adam", "sgd")),  # lbfgs knows no epochs
        }
        if task == "regression":
            limits["loss"] = Choice(("squared_error",))  # the scaled target is negative, too
        return limits

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        own = {"hidden_layer_sizes": (int(params["width"]),) * int(params["n_layers"]), **params}
        own = {name: value for name, value in own.items() if name not in ("width", "n_layers")}
        own["batch_size"] = min(int(own["batch_size"]), len(rows.X))
        estimator = self.estimator_class(context.task)(**{"random_state": context.random_state, **own})
        shift, spread = (0.0, 1.0) if context.n_classes else (float(rows.y.mean()), float(rows.y.std()) or 1.0)
        scaled = rows if context.n_classes else TrainingRows(rows.X, (rows.y - shift) / spread, rows.weights)
        watched = context.validation
        if watched is not None and not context.n_classes:
            watched = TrainingRows(watched.X, (watched.y - shift) / spread)
        _train(estimator, scaled, watched, context)
        if not context.n_classes:  # the last layer takes the target's scale on, so that predicting needs no more
            estimator.coefs_[-1] = estimator.coefs_[-1] * spread
            estimator.intercepts_[-1] = estimator.intercepts_[-1] * spread + shift
        return estimator

    def learned(self, params: Mapping[str, Any], estimator: Any) -> Mapping[str, float]:
        return {"max_iter": estimator.n_iter_} if estimator.n_iter_ < params["max_iter"] else {}

    def importances(self, estimator: Any) -> Mapping[str, FloatArray]:
        sizes = np.abs(estimator.coefs_[0]).sum(axis=1).astype(np.float64)
        return {"gain": sizes, "split": sizes}


def _train(estimator: Any, rows: TrainingRows, watched: TrainingRows | None, context: FitContext) -> None:
    """Epochs until the held-out loss stays put, the time is over or there were enough; the best one stays."""
    rng = np.random.default_rng(context.random_state)
    classes = {"classes": np.arange(context.n_classes)} if context.n_classes else {}
    if "max_iter" in context.pinned:
        watched = None
    best: tuple[float, int, list[Any], list[Any]] = (np.inf, 0, [], [])
    for epoch in range(1, int(estimator.max_iter) + 1):
        order = rng.permutation(len(rows.X))
        for part in np.array_split(order, -(-len(order) // CHUNK_ROWS)):
            weights = {} if rows.weights is None else {"sample_weight": rows.weights[part]}
            estimator.partial_fit(rows.X[part], rows.y[part], **classes, **weights)
            classes = {}
            if context.is_out_of_time():
                break
        loss = -float(epoch) if watched is None else _loss(estimator, watched)
        if loss < best[0] or not best[1]:
            best = (loss, epoch, [c.copy() for c in estimator.coefs_], [c.copy() for c in estimator.intercepts_])
        if epoch - best[1] >= PATIENCE or context.is_out_of_time():
            break
    _, estimator.n_iter_, estimator.coefs_, estimator.intercepts_ = best


def _loss(estimator: Any, rows: TrainingRows) -> float:
    """Log loss or mean squared error."""
    if isinstance(estimator, MLPRegressor):
        return float(np.mean((estimator.predict(rows.X) - rows.y) ** 2))
    proba: npt.NDArray[Any] = estimator.predict_proba(rows.X)
    return float(-np.mean(np.log(np.clip(proba[np.arange(len(rows.y)), rows.y], LEAST, 1.0))))
