"""scikit-learn's ``QuantileTransformer`` towards a normal distribution, in a graph."""

from typing import Final

import numpy as np
from scipy import stats

from studio.exports.onnx.graph import FloatArray, Graph
from studio.exports.onnx.normal_distribution import add_inverse_normal
from studio.exports.onnx.trees import LEQ, LT, Tree, add_trees

EDGE: Final = 1e-7  # as scikit-learn's BOUNDS_THRESHOLD


def add_ranks(graph: Graph, matrix: str, quantiles: FloatArray, references: FloatArray) -> str:
    """Each column's numbers by their rank among its quantiles, bell-shaped; NaN stays NaN.

    Args:
        graph: Takes what it is made of.
        matrix: Name of the numbers, of shape (rows, n_columns).
        quantiles: Ascending, of shape (n_quantiles, n_columns).
        references: Their ranks, 0..1, of shape (n_quantiles,).
    """
    if len(quantiles) == 1:
        quantiles, references = np.repeat(quantiles, 2, axis=0), np.repeat(references, 2)
    upper, lower = (_interpolate(graph, matrix, quantiles, references, mode) for mode in (LT, LEQ))
    rank = graph.op("Mul", graph.op("Add", upper, lower), graph.constant(0.5))
    high, low = (graph.op(kind, matrix, graph.constant(EDGE)) for kind in ("Add", "Sub"))
    is_high = graph.op("Greater", high, graph.constant(quantiles[-1:]))
    is_low = graph.op("Less", low, graph.constant(quantiles[:1]))
    rank = graph.op("Where", is_high, graph.constant(1.0), rank)
    rank = graph.op("Where", is_low, graph.constant(0.0), rank)
    edge = EDGE - np.spacing(1)
    inside = graph.op("Clip", rank, graph.constant(edge), graph.constant(1 - edge))
    ends = [graph.constant(float(stats.norm.ppf(share))) for share in (edge, 1 - edge)]
    shaped = graph.op("Clip", add_inverse_normal(graph, inside), *ends)
    return graph.op("Where", graph.op("IsNaN", matrix), matrix, shaped)


def _interpolate(graph: Graph, matrix: str, quantiles: FloatArray, references: FloatArray, mode: int) -> str:
    """Ranks that are linear between the quantiles; of equal ones the last counts, or with ``LEQ`` the first."""
    n_quantiles, n_columns = quantiles.shape
    trees = [_segment_tree(own, column, mode) for column, own in enumerate(quantiles.T)]
    segments = graph.op("Cast", add_trees(graph, matrix, trees, np.zeros(n_columns)), to=7)
    widths = np.diff(quantiles, axis=0)
    slopes = np.divide(np.diff(references)[:, None], widths, out=np.zeros_like(widths), where=widths > 0)
    starts = graph.constant((np.arange(n_columns) * (n_quantiles - 1))[None, :], np.int64)
    places = graph.op("Add", segments, starts)
    first = np.repeat(references[:-1, None], n_columns, axis=1)
    start, slope, rank = (
        graph.op("Gather", graph.constant(table.T.ravel()), places) for table in (quantiles[:-1], slopes, first)
    )
    inner = graph.op("Add", rank, graph.op("Mul", graph.op("Sub", matrix, start), slope))
    return graph.op("Clip", inner, graph.constant(float(references[0])), graph.constant(float(references[-1])))


def _segment_tree(quantiles: FloatArray, column: int, mode: int) -> Tree:
    """A search tree whose leaves are the numbers of the segments between the quantiles."""
    bounds = np.unique(quantiles)
    below = np.searchsorted(quantiles, bounds, side="right")  # quantiles up to each bound
    segments = np.clip(np.concatenate([[0], below]) - 1, 0, len(quantiles) - 2).astype(np.float64)
    n_inner = len(bounds)
    yes, no = np.zeros(n_inner, dtype=np.int64), np.zeros(n_inner, dtype=np.int64)
    order: list[int] = []  # bounds in the order of the nodes, the root first

    def grow(low: int, high: int) -> int:
        """Node for the bounds low..high-1; leaves come after all inner nodes."""
        if low == high:
            return n_inner + low
        middle, node = (low + high) // 2, len(order)
        order.append(middle)
        yes[node] = grow(low, middle)
        no[node] = grow(middle + 1, high)
        return node

    grow(0, n_inner)
    n_nodes = 2 * n_inner + 1
    none = np.zeros(n_inner + 1, dtype=np.int64)
    return Tree(
        feature=np.full(n_nodes, column), split=np.concatenate([bounds[order], none]),
        mode=np.full(n_nodes, mode, dtype=np.uint8), yes=np.concatenate([yes, none]), no=np.concatenate([no, none]),
        missing_is_yes=np.zeros(n_nodes, dtype=bool), is_leaf=np.arange(n_nodes) >= n_inner,
        value=np.concatenate([none[:-1], segments]), target=column,
    )  # fmt: skip
