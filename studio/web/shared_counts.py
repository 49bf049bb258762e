"""Counts that the processes of one API keep together: in memory that is mapped before they are forked.

Every process writes to a column of its own and reads those of all others, so that nobody waits for anybody: a lock
between processes would be held, now and then, by one that waits for its own interpreter. What is counted is thus the
total over the processes of one machine, give or take the calls that are being counted in the same instant elsewhere.
(Of the storages of ``limits`` those that processes can share are servers of their own, which the embedded default does
without.)
"""

import fcntl
import hashlib
import mmap
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

ROWS = 4096
PROBES = 32  # rows one key may lie in
IDLE_S = 120
REMEMBERED = 10_000


def shared_array(shape: tuple[int, ...], dtype: type[Any]) -> npt.NDArray[Any]:
    """Zeros that processes forked from now on share; memory is taken where it is first touched."""
    size_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, size_bytes), dtype=dtype).reshape(shape)


class Columns:
    """Which column is whose: each process takes the first that no living one has.

    Attributes:
        count: How many there are, for twice the processes: while they are replaced, old and new ones work together.
    """

    def __init__(self, processes: int) -> None:
        """
        Args:
            processes: How many processes count at a time.
        """
        self.count = 2 * processes
        self._file = os.memfd_create("columns")  # its locks end with the process that has them, however it ends
        weakref.finalize(self, os.close, self._file)
        self._owner: int | None = None
        self._own = 0
        self._lock = threading.Lock()
        self._cleared: list[Callable[[int], None]] = []

    def on_taken(self, clear: Callable[[int], None]) -> None:
        """Have a column cleared by who takes it, of what its last owner may have left."""
        self._cleared.append(clear)

    @property
    def own(self) -> int:
        """This process's column."""
        if self._owner != os.getpid():
            with self._lock:
                if self._owner != os.getpid():
                    self._own = self._take()
                    self._owner = os.getpid()
        return self._own

    def claim_rows(self) -> "_FileLock":
        """Held by the one process that gives rows away."""
        return _FileLock(self._file, self.count)

    def _take(self) -> int:
        for column in range(self.count):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, column)
            except BlockingIOError:
                continue
            for clear in self._cleared:
                clear(column)
            return column
        return self.count - 1  # more processes than there should be: two share it, and may miss a count


class _FileLock:
    def __init__(self, file: int, place: int) -> None:
        self._file, self._place = file, place

    def __enter__(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, self._place)

    def __exit__(self, *error: object) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._place)


class Rows:
    """Which row is whose: keys are given rows as they come, and lose those that have long been idle."""

    def __init__(self, columns: Columns, *, is_free: Callable[[int], bool], clear: Callable[[int], None]) -> None:
        """
        Args:
            columns: Of the tables whose rows these are.
            is_free: Whether a row that nobody has asked for lately may be given to another key.
            clear: Empties a row for another key.
        """
        self._columns, self._is_free, self._clear = columns, is_free, clear
        self._keys = shared_array((ROWS,), np.uint64)
        self._used = shared_array((ROWS,), np.int64)
        self._known: dict[str, tuple[int, int]] = {}  # hash and row
        self._lock = threading.Lock()

    def find(self, key: str) -> int | None:
        """The row of a key, given to it if it has none; None where all that it might have are in use."""
        known = self._known.get(key)
        if known is None or int(self._keys[known[1]]) != known[0]:
            known = self._claim(key)
            if known is None:
                return None
        self._used[known[1]] = int(time.monotonic())
        return known[1]

    def _claim(self, key: str) -> tuple[int, int] | None:
        mark = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") or 1
        with self._lock, self._columns.claim_rows():
            row = self._place_of(mark)
            if row is None:
                return None
            if int(self._keys[row]) != mark:
                self._clear(row)
                self._keys[row] = mark
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[key] = mark, row
        return mark, row

    def _place_of(self, mark: int) -> int | None:
        rows = [(mark + probe) % ROWS for probe in range(PROBES)]
        held = [int(self._keys[row]) for row in rows]
        if mark in held:
            return rows[held.index(mark)]
        if 0 in held:
            return rows[held.index(0)]
        idle_since = int(time.monotonic()) - IDLE_S
        return next((row for row in rows if self._used[row] < idle_since and self._is_free(row)), None)
