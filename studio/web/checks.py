"""Looks again, from time to time, at whether callers may still listen: one look for all sockets it holds for."""

import random
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future


class Check:
    """One question that is asked again and again while a socket depends on it; served by the loop's thread alone.

    Attributes:
        due_at: Monotonic time of the next look; None while one is under way.
    """

    def __init__(self, ask: Callable[[], None], every_s: float, now: float) -> None:
        self._ask, self._every_s = ask, every_s
        # Sockets opened together, as all are after a restart, must not all ask the database together ever after.
        self.due_at: float | None = now + random.uniform(0, every_s)  # noqa: S311 - guards nothing
        self._asking: Future[None] | None = None
        self._error: Exception | None = None
        self.wakes: set[Callable[[], None]] = set()

    @property
    def has_failed(self) -> bool:
        """True once a look has found that the sockets must end."""
        return self._error is not None

    def look(self, now: float, do_beside: Callable[[Callable[[], None]], "Future[None]"]) -> None:
        """Ask when it is time to, and tell what was found; raises what the question raises.

        Args:
            now: Monotonic time.
            do_beside: Has another thread do something, and wakes the caller at its end.
        """
        if self.due_at is not None and now >= self.due_at:
            self.due_at, self._asking = None, do_beside(self._ask)
        if self._asking is not None and self._asking.done():
            self._error, self._asking, self.due_at = self._error_of(self._asking), None, now + self._every_s
            if self._error is not None:
                for wake in tuple(self.wakes):
                    wake()
        if self._error is not None:
            raise self._error

    @staticmethod
    def _error_of(asking: "Future[None]") -> Exception | None:
        try:
            asking.result()
        except Exception as error:
            return error
        return None


class Checks:
    """The questions that open sockets depend on, by what they ask."""

    def __init__(self, every_s: float) -> None:
        """
        Args:
            every_s: Seconds between two looks.
        """
        self._every_s = every_s
        self._known: dict[Hashable, Check] = {}
        self._lock = threading.Lock()

    def join(self, key: Hashable, ask: Callable[[], None], wake: Callable[[], None], now: float) -> Check:
        """Have a socket depend on a question.

        Args:
            key: Equal for equal questions; None for one that is nobody else's.
            ask: The question: raises once the socket must end; may wait for a database.
            wake: Has the socket stepped; called when the answer is that it must end.
            now: Monotonic time.
        """
        with self._lock:
            check = self._known.get(key) if key is not None else None
            if check is None or check.has_failed:
                check = Check(ask, self._every_s, now)
                if key is not None:
                    self._known[key] = check
            check.wakes.add(wake)
            return check

    def leave(self, key: Hashable, check: Check, wake: Callable[[], None]) -> None:
        """Let a socket depend on it no longer; safe to repeat."""
        with self._lock:
            check.wakes.discard(wake)
            if not check.wakes and self._known.get(key) is check:
                del self._known[key]
