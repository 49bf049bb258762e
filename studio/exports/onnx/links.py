"""From sums of trees or of products to probabilities or numbers."""

import enum

import numpy as np

from studio.exports.onnx.graph import Graph


class Link(enum.StrEnum):
    """How sums become outputs."""

    IDENTITY = "identity"
    EXP = "exp"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"


def apply_link(graph: Graph, sums: str, link: Link) -> str:
    """Outputs of shape (rows, n_outputs); ``SIGMOID`` makes the probabilities of two classes of one sum."""
    if link is Link.SOFTMAX:
        return graph.op("Softmax", sums, axis=1)
    if link is Link.EXP:
        return graph.op("Exp", sums)
    return sums if link is Link.IDENTITY else of_two_classes(graph, graph.op("Sigmoid", sums))


def of_two_classes(graph: Graph, share: str) -> str:
    """Probabilities of both classes, given the second's."""
    return graph.op("Concat", graph.op("Sub", graph.constant(np.ones((1, 1))), share), share, axis=1)
