"""How many calls one caller may make in a minute."""

import threading
import time

import numpy as np
import numpy.typing as npt

from studio.errors import TooMany
from studio.web.shared_counts import ROWS, Columns, Rows, shared_array

MINUTE_S = 60
SECONDS = MINUTE_S + 1  # the first of them is only partly in the minute: no minute ever holds more than the limit
COUNT = np.uint64(0xFFFF_FFFF)
SECOND_BITS = np.uint64(32)
Numbers = npt.NDArray[np.uint64]


class CallLimiter:
    """Counts calls per caller over a moving minute, in all processes of the API on this machine together.

    The count is kept by the second: a caller who has used up the limit waits up to a second longer than a minute. It
    takes some ten microseconds a call. Machines behind a balancer count each for itself.
    """

    def __init__(self, calls_per_minute: int, columns: Columns | None = None) -> None:
        """
        Args:
            calls_per_minute: What one caller may do.
            columns: Those of the processes that count; None for this one alone.
        """
        self._limit = calls_per_minute
        self._columns = columns or Columns(1)
        # of each second: which one it is in the upper half, how many calls in the lower
        self._counts = shared_array((ROWS, self._columns.count, SECONDS), np.uint64)
        self._rows = Rows(self._columns, is_free=lambda row: True, clear=self._clear)
        self._lock = threading.Lock()

    def count(self, caller: str) -> None:
        """Count one call.

        Raises:
            TooMany: The caller has used up its minute; says in how many seconds to come back.
        """
        row = self._rows.find(caller)
        if row is None:
            return
        counts, column, now = self._counts[row], self._columns.own, int(time.monotonic())
        with self._lock:
            seconds, calls = counts >> SECOND_BITS, counts & COUNT
            calls[seconds + np.uint64(SECONDS) <= np.uint64(now)] = 0
            if int(calls.sum()) >= self._limit:
                raise TooMany(
                    f"More than {self._limit} calls in a minute; slow down.",
                    retry_after_s=self._wait_s(seconds.ravel(), calls.ravel(), now),
                )
            place = now % SECONDS
            counts[column, place] = (now << 32) | (int(calls[column, place]) + 1)

    def _wait_s(self, seconds: Numbers, calls: Numbers, now: int) -> int:
        """Seconds until so many of the calls are over a minute old that another one is allowed."""
        order = np.argsort(seconds)
        left = int(calls.sum()) - np.cumsum(calls[order])
        first = int(np.argmax(left < self._limit))
        return max(1, int(seconds[order][first]) + SECONDS - now)

    def _clear(self, row: int) -> None:
        self._counts[row] = 0
