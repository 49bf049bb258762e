"""Trees of any library in one form, and that form as an ONNX operator."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

from studio.exports.onnx.graph import ML, CannotConvert, FloatArray, Graph, IntArray

BoolArray = npt.NDArray[np.bool_]

LEQ, LT, MEMBER = 0, 1, 6  # as TreeEnsemble numbers its modes
SUM: Final = 1
MAX_NODES: Final = 5_000_000  # of one operator; some 200 MB in the file


@dataclass(frozen=True)
class Tree:
    """One tree; every array has one entry per node, the root first.

    Attributes:
        feature: Column of the matrix that a node looks at.
        split: What it compares the column with.
        mode: ``LEQ``, ``LT``, or ``MEMBER`` where it asks whether the column is in a set.
        yes: Node where it is so.
        no: Node where it is not.
        missing_is_yes: Where NaN goes.
        is_leaf: True where a node has a value instead.
        value: That value.
        sets: Sets of the ``MEMBER`` nodes, in the order of the nodes.
        target: Which output the tree adds to.
    """

    feature: IntArray
    split: FloatArray
    mode: npt.NDArray[np.uint8]
    yes: IntArray
    no: IntArray
    missing_is_yes: BoolArray
    is_leaf: BoolArray
    value: FloatArray
    sets: Sequence[FloatArray] = ()
    target: int = 0


def one_leaf(value: float, target: int) -> Tree:
    """A tree that gives every row the same."""
    none = np.zeros(1, dtype=np.int64)
    never = np.zeros(1, dtype=bool)
    mode = np.zeros(1, dtype=np.uint8)
    return Tree(none, np.zeros(1), mode, none, none, never, ~never, np.array([value]), target=target)


def add_trees(graph: Graph, matrix: str, trees: Iterable[Tree], base: FloatArray) -> str:
    """Sums over trees, of shape (rows, n_targets).

    Args:
        graph: Takes the operator.
        matrix: Name of the matrix the trees look at.
        trees: One or more.
        base: What each target's sum begins with, of shape (n_targets,).

    Raises:
        CannotConvert: They have too many nodes.
    """
    gathered = _Gathered(np.array(base, dtype=np.float64))
    for tree in trees:
        gathered.add(tree)
    return gathered.write(graph, matrix)


class _Gathered:
    """Trees one after the other, as the operator wants them: inner nodes and leaves counted apart."""

    def __init__(self, base: FloatArray) -> None:
        self._base = base
        self._inner: list[dict[str, npt.NDArray[Any]]] = []
        self._leaves: list[FloatArray] = []
        self._targets: list[IntArray] = []
        self._sets: list[FloatArray] = []
        self._roots: list[int] = []
        self._n_inner = self._n_leaves = 0

    def add(self, tree: Tree) -> None:
        if tree.is_leaf[0]:
            self._base[tree.target] += tree.value[0]
            return
        inner, leaves = np.flatnonzero(~tree.is_leaf), np.flatnonzero(tree.is_leaf)
        place = np.empty(len(tree.is_leaf), dtype=np.int64)
        place[inner] = np.arange(len(inner)) + self._n_inner
        place[leaves] = np.arange(len(leaves)) + self._n_leaves
        yes, no = tree.yes[inner], tree.no[inner]
        self._inner.append({
            "featureids": tree.feature[inner], "splits": tree.split[inner], "modes": tree.mode[inner],
            "truenodeids": place[yes], "trueleafs": tree.is_leaf[yes],
            "falsenodeids": place[no], "falseleafs": tree.is_leaf[no],
            "missing_value_tracks_true": tree.missing_is_yes[inner],
        })  # fmt: skip
        self._leaves.append(tree.value[leaves])
        self._targets.append(np.full(len(leaves), tree.target))
        self._sets += tree.sets
        self._roots.append(self._n_inner)
        self._n_inner += len(inner)
        self._n_leaves += len(leaves)
        if self._n_inner > MAX_NODES:
            raise CannotConvert(f"trees with more than {MAX_NODES:,} nodes")

    def write(self, graph: Graph, matrix: str) -> str:
        base = graph.constant(self._base[None, :])
        if not self._roots:
            return graph.op("Add", graph.zeros(matrix), base)
        joined = {name: np.concatenate([part[name] for part in self._inner]) for name in self._inner[0]}
        nodes: dict[str, Any] = {
            "nodes_splits": numpy_helper.from_array(joined.pop("splits").astype(np.float64)),
            "nodes_modes": numpy_helper.from_array(joined.pop("modes").astype(np.uint8)),
            **{f"nodes_{name}": array.astype(np.int64) for name, array in joined.items()},
        }
        if self._sets:
            end = np.array([np.nan])
            nodes["membership_values"] = numpy_helper.from_array(
                np.concatenate([p for s in self._sets for p in (s, end)])
            )
        sums = graph.op(
            "TreeEnsemble", matrix, domain=ML, n_targets=len(self._base), aggregate_function=SUM, post_transform=0,
            tree_roots=np.array(self._roots), leaf_targetids=np.concatenate(self._targets),
            leaf_weights=numpy_helper.from_array(np.concatenate(self._leaves).astype(np.float64)), **nodes,
        )  # fmt: skip
        return graph.op("Add", sums, base)
