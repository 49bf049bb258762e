"""Sends copies of requests to shadows, beside the callers and never in their way."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable

THREADS = 2
MOST_COPIES, MOST_ROWS = 64, 20_000


class Copies:
    """Copies that wait to be sent, in one process; what is beyond the bounds is dropped.

    Safe to share between threads; a process that was forked begins its own.
    """

    def __init__(self, *, most_copies: int = MOST_COPIES, most_rows: int = MOST_ROWS) -> None:
        """
        Args:
            most_copies: Copies that may wait.
            most_rows: Rows of all of them together; a single copy may have more.
        """
        self._most_copies, self._most_rows = most_copies, most_rows
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self._rows = 0
        self._bell = threading.Condition()
        self._pid: int | None = None

    def offer(self, rows: int, send: Callable[[], None]) -> bool:
        """Have a copy sent when there is time; False when it was dropped.

        Args:
            rows: How many rows it has.
            send: Sends it and waits for the answer; what it raises is nobody's concern.
        """
        with self._bell:
            if self._pid != os.getpid():
                self._begin()
            is_full = len(self._waiting) >= self._most_copies or self._rows + rows > self._most_rows
            if self._waiting and is_full:
                return False
            self._waiting.append((rows, send))
            self._rows += rows
            self._bell.notify()
            return True

    def _begin(self) -> None:
        self._pid, self._rows = os.getpid(), 0
        self._waiting.clear()
        for number in range(THREADS):
            threading.Thread(target=self._send_on, name=f"shadow-copies-{number}", daemon=True).start()

    def _send_on(self) -> None:
        while True:
            with self._bell:
                self._bell.wait_for(lambda: self._waiting)
                rows, send = self._waiting.popleft()
                self._rows -= rows
            with contextlib.suppress(Exception):
                send()
