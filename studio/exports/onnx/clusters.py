"""Fitted clusterings as parts of a graph: a matrix in, the number of each row's cluster out."""

from typing import Any

import numpy as np

from studio.exports.onnx.graph import DOUBLE, FloatArray, Graph


def add_centres(graph: Graph, matrix: str, centres: FloatArray) -> str:
    """The cluster with the nearest centre, of shape (rows, 1); centres of shape (n_clusters, n_columns)."""
    product = graph.op("MatMul", matrix, graph.constant(-2.0 * centres.T))
    sizes = graph.constant((centres**2).sum(axis=1)[None, :])
    distances = graph.op("Add", product, sizes)  # but for the row's own part, the same for every centre
    return graph.op("Cast", graph.op("ArgMin", distances, axis=1), to=DOUBLE)


def add_mixture(graph: Graph, matrix: str, mixture: Any) -> str:
    """The most probable component of a ``GaussianMixture``, of shape (rows, 1)."""
    parts = []
    for place, mean in enumerate(mixture.means_):
        centred = graph.op("Sub", matrix, graph.constant(mean[None, :]))
        factor = mixture.precisions_cholesky_
        if mixture.covariance_type in ("diag", "spherical"):
            scale = np.broadcast_to(factor[place], mean.shape)
            stretched = graph.op("Mul", centred, graph.constant(scale[None, :]))
            volume = np.log(scale).sum()
        else:
            own = factor if mixture.covariance_type == "tied" else factor[place]
            stretched = graph.op("MatMul", centred, graph.constant(own))
            volume = np.log(np.diag(own)).sum()
        distance = graph.op("ReduceSumSquare", stretched, graph.constant([1], np.int64))
        start = graph.constant(volume + np.log(mixture.weights_[place]))
        parts.append(graph.op("Sub", start, graph.op("Mul", distance, graph.constant(0.5))))
    densities = graph.op("Concat", *parts, axis=1)
    return graph.op("Cast", graph.op("ArgMax", densities, axis=1), to=DOUBLE)
