"""What a modeller should be told of the rows a search is about to learn from, in words for the run's log."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from studio.automl.columns import LARGEST, Cells
from studio.automl.splits import Split

MOST_CELLS = 5_000_000  # that are compared whole; more would take seconds of short budgets
HASHED_FIRST = 4  # cells of a row that decide whether it is looked at in a large table
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


def name_cut(y: npt.NDArray[Any], labels: Sequence[str] | None) -> str:
    """Says how many numbers to be predicted are beyond those that are computed with; empty where none is.

    Args:
        y: Numbers as they were read, or class codes.
        labels: All classes; None where numbers are predicted.
    """
    n_cut = 0 if labels is not None else int((np.abs(y) >= LARGEST).sum())
    return f"{n_cut} targets beyond {LARGEST:g} are taken to be {LARGEST:g}: divide the target first" if n_cut else ""


def name_untimed(times: npt.NDArray[Any] | None) -> str:
    """Says where rows without a time went; empty where there are none.

    Args:
        times: Of the rows, minus infinity where there is none; None where they do not divide the rows.
    """
    n_untimed = 0 if times is None else int(np.isneginf(times).sum())
    return f"{n_untimed} rows without a time are taken to be the oldest" if n_untimed else ""


def name_twins(cells: Cells, y: npt.NDArray[Any], split: Split) -> str:
    """Says how many rows are in a training row's likeness, target included; empty where none is.

    Of tables beyond ``MOST_CELLS`` some of the rows are looked at, the same ones of all that are alike.
    """
    is_looked_at = np.ones(len(y), dtype=bool)
    whole = np.zeros(len(y), dtype=np.uint64)
    if cells.values.size > MOST_CELLS:
        every = np.uint64(-(-cells.values.size // MOST_CELLS))
        is_looked_at = _hash_rows(cells, y, slice(0, HASHED_FIRST)) % every == 0
        cells = cells.take(is_looked_at)
    whole[is_looked_at] = _hash_rows(cells, y[is_looked_at], slice(None))
    trained = pd.Index(whole[split.train[is_looked_at[split.train]]])
    found = []
    for name, rows in (("test", split.test), ("validation", split.validation)):
        alike = pd.Index(whole[rows[is_looked_at[rows]]]).isin(trained)
        if alike.any():
            found.append(f"{alike.mean():.1%} of the {name} rows")
    if not found:
        return ""
    return f"{' and '.join(found)} are the same as a training row, target included: scores may flatter"


def _hash_rows(cells: Cells, y: npt.NDArray[Any], chosen: slice) -> npt.NDArray[np.uint64]:
    """One number per row, equal where rows are; from some of the cells, or from all with the texts."""
    hashes = pd.util.hash_array(np.ascontiguousarray(y, dtype=np.float64))
    for column in cells.values.T[chosen]:
        hashes = _mix(hashes, pd.util.hash_array(np.ascontiguousarray(column)))
    for text in cells.texts if chosen == slice(None) else ():
        hashes = _mix(hashes, pd.util.hash_array(text, categorize=False))
    return hashes


def _mix(hashes: npt.NDArray[np.uint64], more: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    mixed: npt.NDArray[np.uint64] = hashes * np.uint64(0x9E3779B97F4A7C15) ^ more
    return mixed ^ (mixed >> np.uint64(29))


def _list_some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(str, names[:MOST_NAMED])) + more
