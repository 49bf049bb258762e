"""A regular grid of time: which frequency time stamps follow, and which step of it each one is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from studio.automl.columns import read_numbers, read_stamps

IntArray = npt.NDArray[np.int64]
Stamps = Any  # time stamps without gaps, aware or in UTC: a series or an index of pandas

ON_GRID_SHARE = 0.9  # of the time stamps that must lie on a guessed grid
LONGEST_SEASON = 2_000
_OLD_ALIASES = {"M": "ME", "Q": "QE", "Y": "YE", "A": "YE", "H": "h", "T": "min", "S": "s", "BM": "BME", "L": "ms"}
_DAY = pd.Timedelta(days=1)
_FIXED_SEASONS = (pd.Timedelta(hours=1), _DAY, 7 * _DAY)
_NAMED_SEASONS = {"D": (7,), "B": (5,), "W": (52,), "M": (12,), "Q": (4,), "Y": ()}


class BadFrequency(ValueError):
    """A text is no frequency, or time stamps follow none; the message says so in words."""


@dataclass(frozen=True)
class Steps:
    """Numbers time stamps by whole steps of a frequency.

    Attributes:
        frequency: As given, or as found; a pandas offset alias.
        unit: Alias of the period that is counted, such as ``h`` or ``M``; ``B`` counts business days.
        multiple: Units per step.
        first: Number, in units, of the unit that step 0 begins with.
    """

    frequency: str
    unit: str
    multiple: int
    first: int

    def number(self, stamps: Stamps) -> IntArray:
        """Step of each time stamp, of shape (n_rows,); what lies between two steps belongs to the earlier."""
        return (_count_units(stamps, self.unit) - self.first) // self.multiple

    def is_on_grid(self, stamps: Stamps) -> npt.NDArray[np.bool_]:
        """Whether each time stamp begins a step of whole units, of shape (n_rows,)."""
        return np.equal((_count_units(stamps, self.unit) - self.first) % self.multiple, 0)

    @property
    def seasons(self) -> tuple[int, ...]:
        """Lengths in steps of the seasons that such a frequency may have, the shortest first."""
        kind = self.unit.partition("-")[0]
        if kind in _NAMED_SEASONS:
            lengths = [length / self.multiple for length in _NAMED_SEASONS[kind]]
        else:
            step = pd.Timedelta(f"{self.multiple}{self.unit}")
            lengths = [season / step for season in _FIXED_SEASONS]
        return tuple(int(length) for length in lengths if length.is_integer() and 2 <= length <= LONGEST_SEASON)


def read_frequency(alias: str) -> tuple[str, int]:
    """The unit that a frequency counts, and how many make a step.

    Args:
        alias: A pandas offset alias such as ``D``, ``15min``, ``W-MON`` or ``MS``; older spellings too.

    Raises:
        BadFrequency: It is none, or one that steps cannot be counted in.
    """
    try:
        offset = pd.tseries.frequencies.to_offset(_OLD_ALIASES.get(alias, alias))
    except ValueError:
        offset = None
    if offset is None or offset.n < 1:
        raise BadFrequency(f"{alias!r} is no frequency; examples are D, h, 15min, W, MS, QS and YS")
    name, _, anchor = offset.base.freqstr.partition("-")
    if name in ("D", "B", "W", "h", "min", "s", "ms", "us"):
        return offset.base.freqstr, offset.n
    kind = {"MS": "M", "ME": "M", "BMS": "M", "BME": "M", "QS": "Q", "QE": "Q", "YS": "Y", "YE": "Y"}.get(name)
    if kind is None:
        raise BadFrequency(f"steps of {alias!r} cannot be counted; use one of D, B, W, h, min, s, MS, QS or YS")
    if kind == "M":
        return kind, offset.n
    return f"{kind}-{_closing_month(anchor) if name in ('QS', 'YS') else anchor}", offset.n


def make_steps(stamps: Stamps, frequency: str | None) -> Steps:
    """The grid of a table's time stamps.

    Args:
        stamps: Of the longest series, at least two different ones.
        frequency: What the user says, None to find it.

    Raises:
        BadFrequency: It is none, or the time stamps follow none.
    """
    alias = frequency or _guess(stamps)
    unit, multiple = read_frequency(alias)
    steps = Steps(alias, unit, multiple, int(_count_units(stamps, unit).min()))
    if frequency is None and steps.is_on_grid(stamps).mean() < ON_GRID_SHARE:
        share = steps.is_on_grid(stamps).mean()
        raise BadFrequency(
            f"the time stamps follow no regular step: of the most common one, {alias}, only {share:.0%} of them are; "
            "say the step with frequency, or bring the rows to a regular one"
        )
    return steps


def read_times(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Time stamps in UTC, NaT where a cell is none; whole numbers of four digits are years."""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return read_stamps(column)
    years = read_numbers(column)
    is_year = (years >= 1000) & (years <= 9999) & (years == np.floor(years))
    texts = [f"{int(year)}-01-01" if ok else None for year, ok in zip(years, is_year, strict=True)]
    return pd.to_datetime(pd.Series(texts, index=column.index, dtype=object), utc=True, format="ISO8601")


def _guess(stamps: Stamps) -> str:
    """The frequency that most neighbours are apart."""
    unique = pd.DatetimeIndex(stamps.drop_duplicates().sort_values())
    if len(unique) < 2:
        raise BadFrequency("all rows have the same time stamp")
    found = pd.infer_freq(unique) if len(unique) >= 3 else None
    if found is not None:
        return str(found)
    gaps = pd.Series(np.diff(unique.to_numpy()))
    gap = pd.Timedelta(gaps.mode()[0])
    for low, high, alias in ((28, 31, "MS"), (90, 92, "QS"), (365, 366, "YS")):
        if low * _DAY <= gap <= high * _DAY:
            return alias
    days, rest = divmod(gap, _DAY)
    if rest:
        return str(pd.tseries.frequencies.to_offset(gap).freqstr)
    return f"{days // 7}W" if days % 7 == 0 else f"{days}D"


def _count_units(stamps: Stamps, unit: str) -> IntArray:
    times = pd.DatetimeIndex(stamps)
    if times.tz is not None:
        times = times.tz_convert("UTC").tz_localize(None)
    if unit == "B":
        days = times.to_numpy().astype("datetime64[D]")
        return np.asarray(np.busday_count(np.datetime64("1970-01-01"), days), dtype=np.int64)
    return np.asarray(times.to_period(unit).asi8, dtype=np.int64)


def _closing_month(opening: str) -> str:
    """The last month of a year or quarter that begins with a month."""
    months = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
    return months[months.index(opening or "JAN") - 1]
