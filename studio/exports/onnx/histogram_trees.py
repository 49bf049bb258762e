"""The trees of scikit-learn's histogram boosting."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from studio.exports.onnx.graph import CannotConvert, FloatArray, IntArray
from studio.exports.onnx.links import Link
from studio.exports.onnx.trees import LEQ, MEMBER, Tree

_LINKS: Final = {
    "LogitLink": Link.SIGMOID, "MultinomialLogit": Link.SOFTMAX, "IdentityLink": Link.IDENTITY, "LogLink": Link.EXP
}  # fmt: skip


class HistogramTrees:
    """The trees of a fitted estimator, which look at the matrix as it was given.

    Attributes:
        link: How the sums become outputs.
        base: What the sums begin with, of shape (n_targets,).
    """

    def __init__(self, estimator: Any, n_slots: Sequence[int]) -> None:
        """
        Args:
            estimator: Fitted.
            n_slots: Category codes of each matrix column, 0 for numbers.

        Raises:
            CannotConvert: Its loss has another link than those known here.
        """
        link = type(estimator._loss.link).__name__
        if link not in _LINKS:
            raise CannotConvert(f"histogram boosting with {link}")
        self.link = _LINKS[link]
        self.base = np.ravel(estimator._baseline_prediction)
        self._rounds, self._n_slots = estimator._predictors, n_slots
        self._columns, self._known = _columns_of(estimator)

    def __iter__(self) -> Iterator[Tree]:
        for round_ in self._rounds:
            for target, predictor in enumerate(round_):
                yield self._tree_of(predictor, target)

    def _tree_of(self, predictor: Any, target: int) -> Tree:
        nodes = predictor.nodes
        is_leaf = nodes["is_leaf"].astype(bool)
        is_set = nodes["is_categorical"].astype(bool) & ~is_leaf
        return Tree(
            feature=self._columns[nodes["feature_idx"]], split=np.where(is_set, 0.0, nodes["num_threshold"]),
            mode=np.where(is_set, MEMBER, LEQ).astype(np.uint8), yes=nodes["left"].astype(np.int64),
            no=nodes["right"].astype(np.int64), missing_is_yes=nodes["missing_go_to_left"].astype(bool),
            is_leaf=is_leaf, value=nodes["value"].astype(np.float64),
            sets=[self._set_of(predictor, node) for node in nodes[is_set]], target=target,
        )  # fmt: skip

    def _set_of(self, predictor: Any, node: Any) -> FloatArray:
        place = int(node["feature_idx"])
        bits = np.unpackbits(predictor.raw_left_cat_bitsets[node["bitset_idx"]].view(np.uint8), bitorder="little")
        known = self._known[place]
        left = known[np.flatnonzero(bits[: len(known)])]
        if node["missing_go_to_left"]:  # as does what it never saw
            left = np.union1d(left, np.setdiff1d(np.arange(self._n_slots[self._columns[place]]), known))
        return left.astype(np.float64)


def _columns_of(estimator: Any) -> tuple[IntArray, Mapping[int, FloatArray]]:
    """Matrix column of each of its own, and the codes each knows: it puts categories first and counts them anew."""
    if estimator.is_categorical_ is None:
        return np.arange(estimator.n_features_in_), {}
    is_category = np.asarray(estimator.is_categorical_)
    columns = np.concatenate([np.flatnonzero(is_category), np.flatnonzero(~is_category)])
    found = [
        np.asarray(codes, dtype=np.float64)
        for codes in estimator._preprocessor.named_transformers_["encoder"].categories_
    ]
    return columns, {place: codes[np.isfinite(codes)] for place, codes in enumerate(found)}
