"""What a modeller should be told of the rows a search is about to learn from, in words for the run's log."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_NAMED = 10  # columns or classes in a line of a log


def name_silent(features: Sequence[str], telling: Collection[int]) -> str:
    """Says which features tell the training rows not apart; empty where all do.

    Args:
        telling: Positions of those that do.
    """
    silent = [name for position, name in enumerate(features) if position not in telling]
    if not telling:
        return "no feature varies in the training rows: nothing but the target itself can be learned"
    return f"the same in all training rows, or missing, and of no use: {_list_some(silent)}" if silent else ""


def name_rare(codes: npt.NDArray[Any], labels: Sequence[str] | None) -> str:
    """Says which classes stand in one row alone; empty where none does.

    Args:
        codes: Class of each row, by its place in the labels.
        labels: All classes; None where numbers are predicted.
    """
    if labels is None:
        return ""
    rare = [labels[code] for code in np.flatnonzero(np.bincount(codes, minlength=len(labels)) == 1).tolist()]
    return f"classes of one row, which are trained on and cannot be tested: {_list_some(rare)}" if rare else ""


def _list_some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(str, names[:MOST_NAMED])) + more
