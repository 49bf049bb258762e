"""Many series side by side on one grid of time, looked up by series and step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Found = TypeVar("Found")

MOST_CELLS = 50_000_000


@dataclass(frozen=True)
class Panel:
    """Values of series from their first to their last known step, one series after the other.

    Attributes:
        values: Of shape (n_cells,); NaN where a step is missing.
        starts: First step of each series, of shape (n_series,).
        offsets: Where each series begins in ``values``, and last where the last one ends; (n_series + 1,).
    """

    values: FloatArray
    starts: IntArray
    offsets: IntArray

    def __getstate__(self) -> dict[str, Any]:
        """Without what is computed from the fields."""
        return {name: self.__dict__[name] for name in ("values", "starts", "offsets")}

    def _once(self, name: str, find: Callable[[], Found]) -> Found:
        """What was found before; by hand, as a cached property's class cannot be pickled by value."""
        found = self.__dict__.setdefault("_found", {})
        if name not in found:
            found[name] = find()
        once: Found = found[name]
        return once

    @property
    def n_series(self) -> int:
        """How many series."""
        return len(self.starts)

    @property
    def lengths(self) -> IntArray:
        """Steps of each series, 0 where nothing is known of it."""
        return np.diff(self.offsets)

    @property
    def ends(self) -> IntArray:
        """Last known step of each series; one before its start where nothing is known."""
        ends: IntArray = self.starts + self.lengths - 1
        return ends

    @property
    def latest(self) -> FloatArray:
        """The last known value at or before each cell."""
        return self._once("latest", self._find_latest)

    def _find_latest(self) -> FloatArray:
        known = np.where(np.isnan(self.values), -1, np.arange(len(self.values)))
        places = np.maximum.accumulate(known)
        return np.append(self.values, np.nan)[places]

    def at(self, series: IntArray, steps: IntArray, *, latest: bool = False) -> FloatArray:
        """Values of shape (n_rows,), NaN outside what is known.

        Args:
            series: Number of each row's series; -1 for one that is not here.
            steps: Step of each row.
            latest: Take the last known value where the one of the step is missing.
        """
        relative = steps - self.starts[series] if self.n_series else np.full(len(steps), -1)
        inside = (series >= 0) & (relative >= 0)
        inside &= relative < (self.lengths[series] if self.n_series else 0)
        found = np.full(len(steps), np.nan)
        places = self.offsets[series[inside]] + relative[inside]
        found[inside] = (self.latest if latest else self.values)[places]
        return found

    def window(self, series: IntArray, ends: IntArray, width: int) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the known values of the ``width`` steps up to each end, NaN for none."""
        n_rows = len(ends)
        if not self.n_series:
            return np.full(n_rows, np.nan), np.full(n_rows, np.nan)
        last = np.minimum(ends, self.ends[series]) - self.starts[series] + 1
        first = np.maximum(ends - width + 1, self.starts[series]) - self.starts[series]
        inside = (series >= 0) & (last > first) & (last > 0)
        first, last = (np.where(inside, self.offsets[series] + place, 0) for place in (first, last))
        counts, sums, squares = (total[last] - total[first] for total in self._totals)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(counts > 0, sums / counts, np.nan)
            variance = squares / counts - mean**2
            rounding = 16 * np.finfo(float).eps * self._totals[2][last]  # what differences of running sums leave
            spread = np.sqrt(np.where(variance > rounding, variance, 0.0))
        firsts, units = self._sizes
        return firsts[series] + units[series] * mean, np.where(counts > 0, units[series] * spread, np.nan)

    @property
    def _sizes(self) -> tuple[FloatArray, FloatArray]:
        return self._once("_sizes", self._find_sizes)

    def _find_sizes(self) -> tuple[FloatArray, FloatArray]:
        """First value of each series, and how far it goes from there; 0 and 1 for an empty one."""
        firsts, units = np.zeros(self.n_series), np.ones(self.n_series)
        present = np.flatnonzero(self.lengths > 0)
        if len(present):
            firsts[present] = self.values[self.offsets[present]]
            away = np.nan_to_num(np.abs(self.values - np.repeat(firsts, self.lengths)))
            furthest = np.maximum.reduceat(away, self.offsets[present])
            units[present] = np.where(furthest > 0, furthest, 1.0)
        return firsts, units

    @property
    def _totals(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self._once("_totals", self._find_totals)

    def _find_totals(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Running counts, sums and sums of squares; of values made small, as large ones would cancel."""
        known = ~np.isnan(self.values)
        firsts, units = (np.repeat(size, self.lengths) for size in self._sizes)
        moved = np.where(known, (self.values - firsts) / units, 0.0)
        return tuple(np.concatenate([[0.0], np.cumsum(part)]) for part in (known, moved, moved**2))  # type: ignore[return-value]

    def tail(self, n_steps: int) -> "Panel":
        """The last steps of every series alone."""
        kept = np.minimum(self.lengths, n_steps)
        places = [np.arange(end - n, end) for end, n in zip(self.offsets[1:], kept, strict=True)]
        values = self.values[np.concatenate(places)] if places else self.values
        return Panel(values, self.starts + self.lengths - kept, np.concatenate([[0], np.cumsum(kept)]))

    def known(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Series, step and value of everything that is known."""
        series = np.repeat(np.arange(self.n_series), self.lengths)
        steps = np.arange(len(self.values)) - np.repeat(self.offsets[:-1] - self.starts, self.lengths)
        is_known = ~np.isnan(self.values)
        return series[is_known], steps[is_known], self.values[is_known]


def make_panel(series: IntArray, steps: IntArray, values: FloatArray, n_series: int) -> Panel:
    """A panel of known values; of two for the same step the later one counts.

    Args:
        series: Number of each value's series, from 0.
        steps: Step of each value.
        values: Without NaN.
        n_series: Number of series; one without a value is empty.

    Raises:
        ValueError: So few values lie so far apart that the steps between them cannot be held.
    """
    starts = np.zeros(n_series, dtype=np.int64)
    ends = np.full(n_series, -1, dtype=np.int64)
    if len(steps):
        low, high = np.full(n_series, np.iinfo(np.int64).max), np.full(n_series, np.iinfo(np.int64).min)
        np.minimum.at(low, series, steps)
        np.maximum.at(high, series, steps)
        present = np.isin(np.arange(n_series), series)
        starts[present], ends[present] = low[present], high[present]
    lengths = ends - starts + 1
    if int(lengths.sum()) > MOST_CELLS:
        raise ValueError(f"the time stamps span {int(lengths.sum())} steps, at most {MOST_CELLS} can be held")
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    flat = np.full(int(offsets[-1]), np.nan)
    if len(steps):
        flat[offsets[series] + steps - starts[series]] = values
    return Panel(flat, starts, offsets)
