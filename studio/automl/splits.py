"""Which rows train, validate and test."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.automl.plan import Validation
from studio.errors import TooFewRows

IntArray = npt.NDArray[np.int64]
Folds = list[tuple[IntArray, IntArray]]

CROSS_VALIDATED_ROWS = 10_000  # from here on one holdout is sharp enough and lets more candidates be tried
CELLS_PER_S = 100_000  # of a budget: cells candidates are compared on at most; final fits take every row
LEAST_CELLS = 2_000_000
REPEATS = ((1_500, 3), (4_000, 2), (CROSS_VALIDATED_ROWS, 1))  # by rows at most: how often folds are drawn anew


@dataclass(frozen=True)
class Split:
    """Positions of the rows of each part, sorted."""

    train: IntArray
    validation: IntArray
    test: IntArray

    @property
    def development(self) -> IntArray:
        """All that the search may look at."""
        return np.sort(np.concatenate([self.train, self.validation]))


def split_rows(
    settings: Validation,
    n_rows: int,
    *,
    strata: IntArray | None = None,
    times: npt.NDArray[Any] | None = None,
    groups: IntArray | None = None,
) -> Split:
    """Divide the rows.

    Args:
        strata: Class of each row, to keep the classes' shares; a class with one row trains.
        times: Sortable time of each row for ``split == "time"``: the newest test, those before validate. Rows of
            one time stay together, or a part would know some of what the next one asks.
        groups: Group of each row for ``split == "group"``: none is divided.

    Raises:
        TooFewRows: A part would be left without a row.
    """
    rng = np.random.default_rng(settings.random_state)
    if groups is not None:
        order, bounds = _cut_between(rng.permutation(int(groups.max()) + 1)[groups], settings, "groups")
    elif times is not None:
        order, bounds = _cut_between(-np.unique(times, return_inverse=True)[1], settings, "times")
    else:
        order = _order_of_rows(n_rows, rng, strata)
        n_test, n_validation = _part_sizes(n_rows, settings)
        bounds = (n_test, n_test + n_validation)
    test, validation, train = np.split(order, bounds)
    if not min(len(test), len(validation), len(train)):
        raise TooFewRows(f"{n_rows} rows cannot be split into training, validation and test rows.", rows=n_rows)
    return Split(np.sort(train), np.sort(validation), np.sort(test))


def make_folds(
    settings: Validation,
    split: Split,
    *,
    strata: IntArray | None = None,
    groups: IntArray | None = None,
    draw: int = 0,
) -> Folds:
    """Pairs of training and validation rows: cross-validation over all that is not tested, or the one
    holdout.

    Args:
        strata: Class of each row of the table, to keep the classes' shares.
        groups: Group of each row of the table; none is divided.
        draw: Another number, other folds.
    """
    rows = split.development
    n_folds = min(settings.cv_folds, len(rows) // 2)
    if groups is not None:
        n_folds = min(n_folds, len(np.unique(groups[rows])))
    if settings.split == "time" or len(rows) > CROSS_VALIDATED_ROWS or n_folds < 2:
        return [(split.train, split.validation)]
    rng = np.random.default_rng([settings.random_state, draw] if draw else settings.random_state)
    shuffled = rng.permutation(rows)
    if groups is not None:
        fold_of = _folds_of_groups(groups[shuffled], n_folds)
    else:
        if strata is not None:
            shuffled = shuffled[np.argsort(strata[shuffled], kind="stable")]
        fold_of = np.arange(len(rows)) % n_folds
    return [(np.sort(shuffled[fold_of != fold]), np.sort(shuffled[fold_of == fold])) for fold in range(n_folds)]


def thin_holdout(folds: Folds, n_columns: int, budget_s: float | None, random_state: int) -> Folds:
    """One holdout of a table that is too large for its budget, with fewer rows.

    Many candidates on some of the rows tell more than few on all.

    Args:
        n_columns: Columns of the table.
        budget_s: None leaves all rows.
    """
    if budget_s is None or len(folds) > 1:
        return folds
    limit = int(max(LEAST_CELLS, CELLS_PER_S * budget_s)) // max(1, n_columns)
    n_rows = sum(len(rows) for rows in folds[0])
    if n_rows <= limit:
        return folds
    rng = np.random.default_rng(random_state)
    train, validation = (
        np.sort(rng.choice(rows, max(1, len(rows) * limit // n_rows), replace=False)) for rows in folds[0]
    )
    return [(train, validation)]


def make_repeats(settings: Validation, split: Split, *, strata: IntArray | None = None) -> tuple[Folds, ...]:
    """Further draws of the folds of a small table, so that the choice among candidates hangs less on one draw.

    Returns:
        Folds as ``make_folds`` gives, several times; nothing where there is one holdout or rows stay together by time
        or group.
    """
    n_rows = len(split.development)
    if settings.split != "random" or len(make_folds(settings, split, strata=strata)) < 2:
        return ()
    n_repeats = next(times for most, times in REPEATS if n_rows <= most)
    return tuple(make_folds(settings, split, strata=strata, draw=draw) for draw in range(1, n_repeats + 1))


def _part_sizes(n_rows: int, settings: Validation) -> tuple[int, int]:
    n_test = max(1, round(n_rows * settings.test_size))
    n_validation = max(1, round(n_rows * settings.validation_size))
    return n_test, n_validation


def _order_of_rows(n_rows: int, rng: np.random.Generator, strata: IntArray | None) -> IntArray:
    """Rows in the order test, validation, train."""
    shuffled = rng.permutation(n_rows)
    if strata is None:
        return shuffled
    # Each row's rank within its class, as a share, spreads every class evenly over the order.
    by_class = shuffled[np.argsort(strata[shuffled], kind="stable")]
    sizes = np.bincount(strata)
    starts = np.cumsum(sizes) - sizes
    own = strata[by_class]
    shares = (np.arange(n_rows) - starts[own] + rng.random(n_rows)) / sizes[own]
    shares[sizes[own] == 1] = 1.0
    return by_class[np.argsort(shares, kind="stable")]


def _cut_between(blocks: IntArray, settings: Validation, kind: str) -> tuple[IntArray, tuple[int, int]]:
    """Rows in the order test, validation, train, and where the latter two begin: between blocks, none of which is
    divided, nearest to the wanted sizes.

    Args:
        blocks: Number of each row's block; the lowest test.
        kind: What the blocks are, for the error.
    """
    order = np.argsort(blocks, kind="stable")
    borders = np.flatnonzero(np.diff(blocks[order])) + 1
    if len(borders) < 2:
        found = len(borders) + 1
        raise TooFewRows(f"A split by {kind[:-1]} needs at least three {kind}; there are {found}.", found=found)
    n_test, n_validation = _part_sizes(len(order), settings)
    first = int(np.argmin(np.abs(borders[:-1] - n_test)))
    later = borders[first + 1 :]
    second = int(np.argmin(np.abs(later - borders[first] - n_validation)))
    return order, (int(borders[first]), int(later[second]))


def _folds_of_groups(groups: IntArray, n_folds: int) -> IntArray:
    """Fold of each row; the largest groups first, each to the fold with the fewest rows."""
    names, positions, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    loads = np.zeros(n_folds)
    fold_of_group = np.zeros(len(names), dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold = int(np.argmin(loads))
        fold_of_group[group] = fold
        loads[fold] += sizes[group]
    return fold_of_group[positions]
