"""LightGBM's trees, as its text form tells them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from studio.exports.onnx.graph import CannotConvert, FloatArray
from studio.exports.onnx.links import Link
from studio.exports.onnx.trees import LEQ, MEMBER, Tree, one_leaf

_LINKS: Final = {
    "binary": Link.SIGMOID, "multiclass": Link.SOFTMAX, "poisson": Link.EXP, "gamma": Link.EXP, "tweedie": Link.EXP,
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), Link.IDENTITY),
}  # fmt: skip
_IS_SET, _DEFAULT_LEFT = 1, 2  # bits of decision_type; the next two say what is missing
_NOTHING, _ZERO = 0, 1


class LightGBMTrees:
    """The trees of a booster, up to its best round where it has one.

    Attributes:
        link: How the sums become outputs.
        slope: What the sums are multiplied by before.
        n_targets: Sums per row.
    """

    def __init__(self, booster: Any) -> None:
        """Read its text form. Raises CannotConvert."""
        head, *self._trees = booster.model_to_string().split("\nTree=")
        facts = _facts_of(head)
        objective, *options = facts.get("objective", "none").split()
        if objective not in _LINKS or "sqrt" in options or "\naverage_output" in head:
            raise CannotConvert(f"LightGBM with the objective {' '.join([objective, *options])!r}")
        self.link = _LINKS[objective]
        found = re.search(r"sigmoid:([\d.e+-]+)", facts["objective"])
        self.slope = float(found[1]) if found else 1.0
        self.n_targets = int(facts["num_tree_per_iteration"])

    def __iter__(self) -> Iterator[Tree]:
        for number, text in enumerate(self._trees):
            yield _tree_of(_facts_of(text), number % self.n_targets)


def _facts_of(text: str) -> dict[str, str]:
    lines = text.split("\n\n", 1)[0].splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _tree_of(facts: Mapping[str, str], target: int) -> Tree:
    if facts.get("is_linear", "0") != "0":
        raise CannotConvert("LightGBM with linear trees")
    leaves = _numbers(facts, "leaf_value", np.float64)
    if len(leaves) == 1:
        return one_leaf(float(leaves[0]), target)
    feature, decision = _numbers(facts, "split_feature", np.int64), _numbers(facts, "decision_type", np.int64)
    split = _numbers(facts, "threshold", np.float64)
    n_inner, n_leaves = len(feature), len(leaves)
    left, right = (_numbers(facts, f"{side}_child", np.int64) for side in ("left", "right"))
    yes, no = (np.where(child < 0, n_inner - 1 - child, child) for child in (left, right))  # leaves come after
    is_set, missing = (decision & _IS_SET) > 0, (decision >> 2) & 3
    if (missing[~is_set] == _ZERO).any():
        raise CannotConvert("LightGBM that takes zeros for missing")
    goes_left = np.where(missing == _NOTHING, split >= 0, (decision & _DEFAULT_LEFT) > 0) & ~is_set  # NaN is 0 there
    return Tree(
        feature=_padded(feature, n_leaves), split=_padded(np.where(is_set, 0.0, split), n_leaves),
        mode=_padded(np.where(is_set, MEMBER, LEQ).astype(np.uint8), n_leaves), yes=_padded(yes, n_leaves),
        no=_padded(no, n_leaves), missing_is_yes=_padded(goes_left, n_leaves),
        is_leaf=np.arange(n_inner + n_leaves) >= n_inner, value=np.concatenate([np.zeros(n_inner), leaves]),
        sets=_sets_of(facts, split[is_set]), target=target,
    )  # fmt: skip


def _sets_of(facts: Mapping[str, str], places: FloatArray) -> list[FloatArray]:
    """The sets that lie at these places, as bits of 32-bit words."""
    if not len(places):
        return []
    bounds, words = (_numbers(facts, name, np.int64) for name in ("cat_boundaries", "cat_threshold"))
    found = []
    for place in places.astype(np.int64):
        bits = words[bounds[place] : bounds[place + 1]].astype(np.uint32).view(np.uint8)
        found.append(np.flatnonzero(np.unpackbits(bits, bitorder="little")).astype(np.float64))
    return found


def _numbers(facts: Mapping[str, str], name: str, dtype: Any) -> npt.NDArray[Any]:
    return np.array(facts[name].split(), dtype=dtype)


def _padded(inner: npt.NDArray[Any], n_leaves: int) -> npt.NDArray[Any]:
    return np.concatenate([inner, np.zeros(n_leaves, dtype=inner.dtype)])
