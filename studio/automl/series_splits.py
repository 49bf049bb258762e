"""Which steps of series train, validate and test: a rolling origin, so that nothing is known before its time."""

from dataclasses import dataclass

import numpy as np

from studio.automl.plan import Validation
from studio.automl.series_panel import IntArray
from studio.automl.splits import CROSS_VALIDATED_ROWS, Split
from studio.errors import TooFewRows


@dataclass(frozen=True)
class SeriesSplit(Split):
    """A split whose training rows have copies.

    Attributes:
        copies: Positions of training and validation rows as seen from other origins.
    """

    copies: IntArray

    @property
    def development(self) -> IntArray:
        """All that the search may look at."""
        return np.sort(np.concatenate([self.train, self.validation, self.copies]))


@dataclass(frozen=True)
class Cuts:
    """First steps of the parts.

    Attributes:
        folds: First step of each validation window, rising; the first begins the validation part.
        test: First step that tests.
    """

    folds: tuple[int, ...]
    test: int

    @property
    def validation(self) -> int:
        """First step that validates."""
        return self.folds[0]

    def window(self, fold: int) -> tuple[int, int]:
        """First step of a validation window, and the first after it."""
        return (*self.folds, self.test)[fold], (*self.folds, self.test)[fold + 1]

    def ahead(self, steps: IntArray, horizon: int) -> IntArray:
        """Steps from each step's origin, 1..horizon: origins lie a horizon apart, the last before the test."""
        ahead: IntArray = 1 + (steps - self.test) % horizon
        return ahead


def cut_steps(settings: Validation, steps: IntArray, horizon: int) -> Cuts:
    """Divide time: the newest steps test, those before validate, in windows of whole horizons.

    Args:
        steps: Step of every row.
        horizon: Steps ahead that are forecast.

    Raises:
        TooFewRows: There are fewer steps than three horizons and three more.
    """
    first, end = int(steps.min()), int(steps.max()) + 1
    needed = 3 * horizon + 3
    if end - first < needed:
        raise TooFewRows(
            f"The series span {end - first} steps; with a horizon of {horizon} at least {needed} are needed to "
            "train, validate and test. Choose a shorter horizon.",
            rows=end - first,
        )
    ordered = np.sort(steps)
    test = end - horizon * _whole_horizons(ordered, end, settings.test_size, horizon)
    validation = test - horizon * _whole_horizons(ordered, test, settings.validation_size, horizon)
    if validation - first < horizon + 3:
        test, validation = end - horizon, end - 2 * horizon
    n_blocks = (test - validation) // horizon
    n_folds = 1 if len(steps) > CROSS_VALIDATED_ROWS else min(settings.cv_folds, n_blocks)
    blocks = np.array_split(np.arange(n_blocks), n_folds)
    starts = [validation + horizon * int(block[0]) for block in blocks]
    held = [int(((steps >= low) & (steps < high)).sum()) for low, high in zip(starts, [*starts[1:], test], strict=True)]
    folds = tuple(start for start, n_rows in zip(starts, held, strict=True) if n_rows)
    if not folds or not (steps < folds[0]).any() or not (steps >= test).any():
        raise TooFewRows("A part of the time holds no row: too many steps are missing to train, validate and test.")
    return Cuts(folds, test)


def _whole_horizons(ordered: IntArray, end: int, share: float, horizon: int) -> int:
    """Horizons before ``end`` that hold about a share of all rows, at least one."""
    before = ordered[ordered < end]
    wanted = max(1, round(share * len(ordered)))
    start = int(before[max(0, len(before) - wanted)])
    return max(1, round((end - start) / horizon))
