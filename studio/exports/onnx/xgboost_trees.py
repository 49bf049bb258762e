"""XGBoost's trees, as its JSON form tells them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from studio.exports.onnx.graph import CannotConvert
from studio.exports.onnx.links import Link
from studio.exports.onnx.trees import LT, MEMBER, Tree

_LINKS: Final = {
    "binary:logistic": Link.SIGMOID, "multi:softprob": Link.SOFTMAX,
    **dict.fromkeys(("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror"), Link.IDENTITY),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie"), Link.EXP),
}  # fmt: skip


class XGBoostTrees:
    """The trees of a booster, up to its best round where it has one.

    Attributes:
        link: How the sums become outputs.
        n_targets: Sums per row.
        base: What the sums begin with, of shape (n_targets,).
    """

    def __init__(self, booster: Any) -> None:
        """Read its JSON form. Raises CannotConvert."""
        learner = json.loads(bytes(booster.save_raw("json")))["learner"]
        objective, kind = learner["objective"]["name"], learner["gradient_booster"]["name"]
        if objective not in _LINKS or kind != "gbtree":
            raise CannotConvert(f"XGBoost's {kind} with the objective {objective!r}")
        facts, model = learner["learner_model_param"], learner["gradient_booster"]["model"]
        self.link = _LINKS[objective]
        self.n_targets = max(int(facts["num_class"]), int(facts["num_target"]), 1)
        self.base = np.broadcast_to(_start_of(facts["base_score"], self.link), (self.n_targets,))
        best = booster.attr("best_iteration")
        n_trees = len(model["trees"]) if best is None else model["iteration_indptr"][int(best) + 1]
        self._trees, self._targets = model["trees"][:n_trees], model["tree_info"][:n_trees]

    def __iter__(self) -> Iterator[Tree]:
        for tree, target in zip(self._trees, self._targets, strict=True):
            yield _tree_of(tree, int(target))


def _start_of(text: str, link: Link) -> Any:
    """The intercept, which the file tells as an output, as a sum."""
    base = np.array([float(part) for part in text.strip("[]").split(",")])
    if link is Link.SIGMOID:
        return np.log(base / (1 - base))
    return np.log(base) if link is Link.EXP else base


def _tree_of(facts: Mapping[str, Any], target: int) -> Tree:
    if int(facts["tree_param"]["size_leaf_vector"]) > 1:
        raise CannotConvert("XGBoost's trees with several outputs")
    left, right = (np.array(facts[f"{side}_children"], dtype=np.int64) for side in ("left", "right"))
    split = np.array(facts["split_conditions"], dtype=np.float32).astype(np.float64)  # it computes in single precision
    is_leaf = left < 0
    is_set = (np.array(facts["split_type"], dtype=np.int64) == 1) & ~is_leaf
    goes_left = np.array(facts["default_left"], dtype=bool)
    parts = zip(facts["categories_segments"], facts["categories_sizes"], strict=True)
    by_node = dict(zip(facts["categories_nodes"], parts, strict=True))
    sets = []
    for node in np.flatnonzero(is_set).tolist():
        start, size = by_node[node]
        sets.append(np.array(facts["categories"][start : start + size], dtype=np.float64))
    return Tree(  # what is in the set goes right
        feature=np.array(facts["split_indices"], dtype=np.int64), split=np.where(is_set, 0.0, split),
        mode=np.where(is_set, MEMBER, LT).astype(np.uint8), yes=np.where(is_set, right, left),
        no=np.where(is_set, left, right), missing_is_yes=goes_left ^ is_set, is_leaf=is_leaf,
        value=np.where(is_leaf, split, 0.0), sets=sets, target=target,
    )  # fmt: skip
