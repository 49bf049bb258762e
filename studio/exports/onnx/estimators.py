"""Fitted estimators as parts of a graph: a matrix in, probabilities or numbers out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from onnx import TensorProto
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from studio.automl.clusters import MixtureClusters
from studio.automl.estimators import installed_families
from studio.exports.onnx.clusters import add_centres, add_mixture
from studio.exports.onnx.graph import DOUBLE, CannotConvert, FloatArray, Graph
from studio.exports.onnx.histogram_trees import HistogramTrees
from studio.exports.onnx.lightgbm_trees import LightGBMTrees
from studio.exports.onnx.links import Link, apply_link, of_two_classes
from studio.exports.onnx.trees import LEQ, Tree, add_trees
from studio.exports.onnx.xgboost_trees import XGBoostTrees


def add_estimator(graph: Graph, matrix: str, estimator: Any, n_slots: Sequence[int]) -> str:
    """Outputs of an estimator: probabilities of shape (rows, n_classes), or numbers or clusters of shape (rows, 1).

    Args:
        graph: Takes what it is made of.
        matrix: Name of the encoded rows, of shape (rows, n_columns).
        estimator: Fitted.
        n_slots: Category codes that each matrix column may hold, 0 for numbers.

    Raises:
        CannotConvert: Neither this code nor a plugin's family knows it.
    """
    add = _KNOWN.get(type(estimator))
    if add is not None:
        return add(graph, matrix, estimator, n_slots)
    for family in installed_families().values():
        outputs = family.add_to_onnx(estimator, graph, matrix)
        if outputs is not None:
            return outputs
    raise CannotConvert(type(estimator).__name__)


def _add_lightgbm(graph: Graph, matrix: str, estimator: Any, n_slots: Sequence[int]) -> str:
    trees = LightGBMTrees(estimator.booster_)
    sums = add_trees(graph, matrix, trees, np.zeros(trees.n_targets))
    if trees.slope != 1.0:
        sums = graph.op("Mul", sums, graph.constant(trees.slope))
    return apply_link(graph, sums, trees.link)


def _add_xgboost(graph: Graph, matrix: str, estimator: Any, n_slots: Sequence[int]) -> str:
    trees = XGBoostTrees(estimator.get_booster())
    return apply_link(graph, add_trees(graph, _single(graph, matrix), trees, trees.base), trees.link)


def _add_histograms(graph: Graph, matrix: str, estimator: Any, n_slots: Sequence[int]) -> str:
    trees = HistogramTrees(estimator, n_slots)
    return apply_link(graph, add_trees(graph, matrix, trees, trees.base), trees.link)


def _add_forest(graph: Graph, matrix: str, forest: Any, n_slots: Sequence[int]) -> str:
    n_classes = int(getattr(forest, "n_classes_", 0))
    shares = [1] if n_classes == 2 else list(range(n_classes)) or [0]  # of two, one tells the other
    sums = add_trees(graph, _single(graph, matrix), _trees_of(forest, shares), np.zeros(len(shares)))
    return of_two_classes(graph, sums) if n_classes == 2 else sums


def _trees_of(forest: Any, shares: Sequence[int]) -> Iterator[Tree]:
    """Every tree once for each share, as a leaf of the operator adds to one output alone."""
    for member in forest.estimators_:
        tree = member.tree_
        is_leaf = tree.children_left < 0
        for target, share in enumerate(shares):
            yield Tree(
                feature=np.maximum(tree.feature, 0), split=tree.threshold,
                mode=np.full(len(is_leaf), LEQ, dtype=np.uint8), yes=tree.children_left, no=tree.children_right,
                missing_is_yes=tree.missing_go_to_left.astype(bool), is_leaf=is_leaf,
                value=tree.value[:, 0, share] / len(forest.estimators_), target=target,
            )  # fmt: skip


def _add_logistic(graph: Graph, matrix: str, estimator: Any, n_slots: Sequence[int]) -> str:
    scores = _affine(graph, matrix, estimator.coef_, estimator.intercept_)
    return apply_link(graph, scores, Link.SIGMOID if len(estimator.classes_) == 2 else Link.SOFTMAX)


def _add_linear(graph: Graph, matrix: str, estimator: Any, n_slots: Sequence[int]) -> str:
    inner, scaler = estimator.regressor_, estimator.transformer_
    if type(inner) not in (Ridge, ElasticNet) or type(scaler) is not StandardScaler:
        raise CannotConvert(f"{type(inner).__name__} of a target scaled by {type(scaler).__name__}")
    scaled = _affine(graph, matrix, np.atleast_2d(inner.coef_), np.atleast_1d(inner.intercept_))
    widened = graph.op("Mul", scaled, graph.constant(float(scaler.scale_[0])))
    return graph.op("Add", widened, graph.constant(float(scaler.mean_[0])))


def _add_network(graph: Graph, matrix: str, network: Any, n_slots: Sequence[int]) -> str:
    if network.activation not in _ACTIVATIONS or network.out_activation_ not in _OUTPUTS:
        raise CannotConvert(f"a network of {network.activation} and {network.out_activation_}")
    values = matrix
    for place, (factors, start) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        values = _affine(graph, values, factors.T, start)
        kind = _ACTIVATIONS[network.activation]
        if kind and place < len(network.coefs_) - 1:
            values = graph.op(kind, values)
    return apply_link(graph, values, _OUTPUTS[network.out_activation_])


def _add_clusters(graph: Graph, matrix: str, estimator: Any, n_slots: Sequence[int]) -> str:
    if type(estimator) is MixtureClusters:
        return add_mixture(graph, matrix, estimator)
    return add_centres(graph, matrix, estimator.cluster_centers_)


def _affine(graph: Graph, matrix: str, factors: FloatArray, start: FloatArray) -> str:
    product = graph.op("MatMul", matrix, graph.constant(factors.T))
    return graph.op("Add", product, graph.constant(np.atleast_1d(start)[None, :]))


def _single(graph: Graph, matrix: str) -> str:
    """The matrix as libraries see it that compare in single precision."""
    return graph.op("Cast", graph.op("Cast", matrix, to=TensorProto.FLOAT), to=DOUBLE)


_ACTIVATIONS: Final = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "identity": ""}
_OUTPUTS: Final = {"logistic": Link.SIGMOID, "softmax": Link.SOFTMAX, "identity": Link.IDENTITY}
_KNOWN: Final[Mapping[type, Callable[[Graph, str, Any, Sequence[int]], str]]] = {
    **dict.fromkeys((LGBMClassifier, LGBMRegressor), _add_lightgbm),
    **dict.fromkeys((XGBClassifier, XGBRegressor), _add_xgboost),
    **dict.fromkeys((HistGradientBoostingClassifier, HistGradientBoostingRegressor), _add_histograms),
    **dict.fromkeys((RandomForestClassifier, RandomForestRegressor), _add_forest),
    **dict.fromkeys((ExtraTreesClassifier, ExtraTreesRegressor), _add_forest),
    **dict.fromkeys((MLPClassifier, MLPRegressor), _add_network),
    **dict.fromkeys((KMeans, MiniBatchKMeans, MixtureClusters), _add_clusters),
    LogisticRegression: _add_logistic,
    TransformedTargetRegressor: _add_linear,
}
