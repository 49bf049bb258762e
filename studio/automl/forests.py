"""Forests: random forest and extremely randomized trees.

The portfolios' figures are those of AutoGluon (``zeroshot_portfolio_2023``), learned by TabRepo (Salinas &
Erickson 2024) over 200 tables.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from studio.automl.estimators import EstimatorFamily, FitContext, FloatArray, TrainingRows
from studio.automl.spaces import Choice, FloatRange, IntRange, Limits, Number, Space, bad_hyperparameter

N_TREES = 200
FIRST_TREES = 1  # the clock is asked after every step; steps double until one takes STEP_S
STEP_S = 0.3
MAX_BYTES = 200_000_000  # of a forest: beyond it, memory and files cost more than further trees gain
LEAST_TREES = 30
NODE_BYTES = 64  # scikit-learn's, without the node's value


class _Forest(EstimatorFamily):
    tasks = frozenset({"classification", "regression"})
    accepts_missing = True
    kept_back = frozenset({"monotonic_cst", "oob_score"})
    classes: ClassVar[Mapping[str, type]]

    def space(self, task: str) -> Space:
        space: dict[str, Any] = {
            "max_features": FloatRange(0.2, 1.0),
            "min_samples_leaf": IntRange(1, 40, log=True),
            "max_leaf_nodes": IntRange(1_000, 30_000, log=True),
        }
        if task == "classification":
            space["criterion"] = Choice(("gini", "entropy"))
        return space

    def default(self, task: str) -> Mapping[str, Any]:
        shared = {"n_estimators": N_TREES, "max_leaf_nodes": 15_000}
        if task == "classification":
            return {**shared, "max_features": 0.4, "min_samples_leaf": 2, "criterion": "entropy"}
        return {**shared, "max_features": 0.75, "min_samples_leaf": 1}

    def portfolio(self, task: str) -> Sequence[Mapping[str, Any]]:
        return (
            {"max_features": 1.0, "min_samples_leaf": 5},
            {"max_features": 0.75, "min_samples_leaf": 2, "max_leaf_nodes": 28_000},
            {"max_features": 0.75, "min_samples_leaf": 20},
        )

    def estimator_class(self, task: str) -> type:
        return self.classes[task]

    def limits(self, task: str) -> Limits:
        limits: dict[str, Any] = {"max_samples": Number(above=0, words=(None,))}
        if task == "classification":
            limits["class_weight"] = Choice(("balanced", "balanced_subsample", None))
        return limits

    def check(self, params: Mapping[str, Any], task: str) -> None:
        super().check(params, task)
        samples = params.get("max_samples")
        if samples is None:
            return
        if not params.get("bootstrap", self.estimator_class(task)().bootstrap):
            raise bad_hyperparameter(self.name, "max_samples", "it needs bootstrap: true beside it")
        if samples > 1 and not isinstance(samples, int):
            raise bad_hyperparameter(self.name, "max_samples", "it must be a share up to 1.0 or a whole number of rows")

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        n_trees = int(params["n_estimators"])
        fixed = {"random_state": context.random_state, "n_jobs": context.threads, "warm_start": True}
        estimator = self.estimator_class(context.task)(**{**fixed, **params})
        size = step = FIRST_TREES
        while True:
            estimator.set_params(n_estimators=min(size, n_trees))
            started = time.monotonic()
            estimator.fit(rows.X, rows.y, sample_weight=rows.weights)
            took = time.monotonic() - started
            if "n_estimators" not in context.pinned:
                n_trees = min(n_trees, max(LEAST_TREES, MAX_BYTES // _tree_bytes(estimator)))
            n_more = int(min(context.seconds_left() / (took / step), n_trees))
            if size >= n_trees or context.is_out_of_time() or not n_more:
                break
            if took < STEP_S:
                step *= 2
            step = min(step, n_more)
            size += step
        return estimator.set_params(n_jobs=1, warm_start=False)

    def learned(self, params: Mapping[str, Any], estimator: Any) -> Mapping[str, float]:
        n_grown = len(estimator.estimators_)
        return {"n_estimators": n_grown} if n_grown < params["n_estimators"] else {}

    def importances(self, estimator: Any) -> Mapping[str, FloatArray]:
        splits = np.zeros(estimator.n_features_in_)
        for tree in estimator.estimators_:
            used = tree.tree_.feature
            splits += np.bincount(used[used >= 0], minlength=len(splits))
        return {"gain": np.asarray(estimator.feature_importances_), "split": splits}


def _tree_bytes(forest: Any) -> int:
    """Memory of its usual tree."""
    trees = [tree.tree_ for tree in forest.estimators_]
    per_node = trees[0].value[0].nbytes + NODE_BYTES
    return max(1, int(np.mean([tree.node_count for tree in trees]) * per_node))


class RandomForest(_Forest):
    """scikit-learn's random forest."""

    name = "random_forest"
    cost = 60
    classes: ClassVar[Mapping[str, type]] = {
        "classification": RandomForestClassifier,
        "regression": RandomForestRegressor,
    }


class ExtraTrees(_Forest):
    """scikit-learn's extremely randomized trees."""

    name = "extra_trees"
    cost = 50
    classes: ClassVar[Mapping[str, type]] = {
        "classification": ExtraTreesClassifier,
        "regression": ExtraTreesRegressor,
    }
