"""How many sockets one caller may have open."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from studio.errors import TooManySockets
from studio.web.shared_counts import ROWS, Columns, Rows, shared_array


class SocketCounts:
    """Counts open sockets per caller, in all processes of the API on this machine together.

    Those of a process that was killed count until the one in its place begins.
    """

    def __init__(self, limit: int, columns: Columns | None = None) -> None:
        """
        Args:
            limit: Sockets one caller may have open.
            columns: Those of the processes that count; None for this one alone.
        """
        self._limit = limit
        self._columns = columns or Columns(1)
        self._open = shared_array((self._columns.count, ROWS), np.int32)
        self._columns.on_taken(self._forget)
        self._rows = Rows(self._columns, is_free=self._is_closed, clear=lambda row: None)
        self._lock = threading.Lock()

    @contextmanager
    def count(self, caller: str) -> Iterator[None]:
        """Count a caller's socket while it is open.

        Raises:
            TooManySockets: It has as many as it may.
        """
        row, column = self._rows.find(caller), self._columns.own
        if row is None:
            yield
            return
        with self._lock:
            if int(self._open[:, row].sum()) >= self._limit:
                raise TooManySockets(f"A caller may have {self._limit} open sockets.")
            self._open[column, row] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[column, row] -= 1

    def _is_closed(self, row: int) -> bool:
        return not self._open[:, row].any()

    def _forget(self, column: int) -> None:
        self._open[column] = 0
