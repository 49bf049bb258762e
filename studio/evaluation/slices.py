"""Cuts rows into slices by the values of one feature."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from studio.evaluation.stored import FloatArray, IntArray

OTHER = "other"
MOST_RANGES = 10


@dataclass(frozen=True)
class Slice:
    """Rows of one value.

    Attributes:
        value: As text; None for rows where it is missing.
        rows: Rising positions, at least one.
    """

    value: str | None
    rows: IntArray


def slice_codes(codes: IntArray, names: Sequence[str], max_slices: int) -> list[Slice]:
    """One slice per name, the smallest last; beyond ``max_slices`` (1 or more) the rarest are one, at the end.

    A name that is itself ``other`` is part of that one.

    Args:
        codes: Positions among the names, of shape (n_rows,); negative where the value is missing.
        names: As text. Rows of equal names are one slice.
        max_slices: Most slices.
    """
    firsts, known = pd.factorize(np.array(names, dtype=object))
    codes = np.append(firsts, -1)[np.maximum(codes, -1)]
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(known)))
    groups = np.split(order, starts)
    named = [Slice(None, groups[0]), *(Slice(name, rows) for name, rows in zip(known, groups[1:], strict=True))]
    return _pool([part for part in named if len(part.rows)], max_slices)


def slice_numbers(numbers: FloatArray, write: Callable[[float], str], max_slices: int) -> list[Slice]:
    """Up to 10 ranges ``[a, b)`` of about as many rows each, the smallest last; the highest is ``[a, inf)``.

    Args:
        numbers: Of shape (n_rows,); NaN where one is missing.
        write: Writes a bound.
        max_slices: Most slices, 1 or more.
    """
    is_known = ~np.isnan(numbers)
    if not is_known.any():
        return slice_codes(np.full(len(numbers), -1), [], max(max_slices, 2))
    n_ranges = max(1, min(MOST_RANGES, max_slices - int(not is_known.all())))
    quantiles = np.arange(n_ranges) / n_ranges
    lowest = np.unique(np.quantile(numbers[is_known], quantiles, method="higher"))
    bounds = [*(write(bound) for bound in lowest.tolist()), "inf"]
    places = np.searchsorted(lowest, numbers, side="right") - 1
    names = [f"[{low}, {high})" for low, high in pairwise(bounds)]
    return slice_codes(np.where(is_known, places, -1), names, max_slices)


def _pool(slices: list[Slice], max_slices: int) -> list[Slice]:
    ranked = sorted(slices, key=lambda part: -len(part.rows))
    if len(ranked) <= max_slices:
        return ranked
    kept = [part for part in ranked if part.value != OTHER][: max_slices - 1]
    names = {part.value for part in kept}
    pooled = [part.rows for part in ranked if part.value not in names]
    return [*kept, Slice(OTHER, np.sort(np.concatenate(pooled)))]
