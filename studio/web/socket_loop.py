"""Serves all sockets of a process on one thread, so that a socket costs no thread of its own.

What may wait for a database is done by a few threads beside it: a slow database holds up no other socket. What takes
longer than that, such as reading a table, has threads of its own, few, for each such work takes memory and processors.
"""

import heapq
import itertools
import logging
import os
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, Protocol, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

READ_BYTES = 1 << 16
SLICE_S, BREATH_S = 0.0005, 0.0015  # stepping many sockets, others get at the interpreter in between
THREADS_BESIDE = 4
LONG_AT_ONCE = 2

_beginning = threading.Lock()


class Served(Protocol):
    """One socket as the loop sees it; its methods are called by the loop's thread alone."""

    @property
    def connection(self) -> socket.socket:
        """What to wait for."""

    @property
    def interest(self) -> int:
        """Events of the selector to wait for; 0 for none."""

    def step(self, now: float, ready: int) -> float | None:
        """Do what can be done at once.

        Args:
            now: Monotonic time.
            ready: What the connection is ready for, as a selector tells.

        Returns:
            The time of the next step at the latest, None at the end.
        """

    def close(self) -> None:
        """Let go of everything; called once."""


class SocketLoop:
    """The thread, which lives while there are sockets to serve."""

    _is_running: bool
    _thread: threading.Thread | None
    _woken: deque[Served]

    def __init__(self) -> None:
        self._begin()

    def serve(self, served: Served) -> None:
        """Take over a socket; returns at once."""
        with _beginning:
            if self._process != os.getpid():
                self._begin()  # a fork shares the alarm with its siblings, and has not got the thread
        with self._lock:
            self._woken.append(served)
            if not self._is_running:
                self._is_running = True
                self._thread = threading.Thread(target=self._run, name="sockets", daemon=True)
                self._thread.start()
        self._ring()

    def wake(self, served: Served) -> None:
        """Have a socket stepped soon; from any thread or signal handler, and after its end too."""
        self._woken.append(served)
        self._ring()

    def do_beside(self, served: Served, work: Callable[[], Any]) -> "Future[Any]":
        """Do what may wait on another thread, and wake the socket when it is done."""
        future = self._beside.submit(work)
        future.add_done_callback(lambda _: self.wake(served))
        return future

    def do_long(self, work: Callable[[], T]) -> "Future[T]":
        """Do what may take minutes on a thread for such work, after what waits for one already."""
        return self._long.submit(work)

    def wait_until_idle(self, timeout_s: float) -> None:
        """Wait until no socket is served any more."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._woken = deque()  # appended to by any thread and by signal handlers: no lock
        self._is_running = self._is_rung = False
        self._thread = None
        self._waker, self._alarm = socket.socketpair()
        self._waker.setblocking(False)
        self._alarm.setblocking(False)
        self._beside = ThreadPoolExecutor(THREADS_BESIDE, thread_name_prefix="socket-work")
        self._long = ThreadPoolExecutor(LONG_AT_ONCE, thread_name_prefix="socket-long-work")
        self._process = os.getpid()

    def _ring(self) -> None:
        if not self._is_rung:
            self._is_rung = True
            with suppress(OSError):  # full: it wakes anyway
                self._waker.send(b"\0")

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._alarm, selectors.EVENT_READ)
            round_ = _Round(selector)
            while True:
                with self._lock:
                    if not round_.ends and not self._woken:
                        self._is_running = False
                        return
                self._wait(selector, round_)
                round_.step_due(monotonic())

    def _wait(self, selector: selectors.BaseSelector, round_: "_Round") -> None:
        for key, ready in selector.select(0 if self._woken else round_.timeout_s()):
            if key.fileobj is self._alarm:
                with suppress(BlockingIOError):
                    self._alarm.recv(READ_BYTES)
                # After the bytes are gone, or one that rings in between is taken for ringing still and nobody rings
                # again; before what was woken is looked at, so that whoever comes later does ring again.
                self._is_rung = False
            else:
                round_.due[key.data] = ready
        for _ in range(len(self._woken)):
            round_.due.setdefault(self._woken.popleft(), 0)


class _Round:
    """The sockets being served, and which of them are to be stepped next."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._numbers = itertools.count()
        self._timers: list[tuple[float, int, Served]] = []
        self._interests: dict[Served, int] = {}
        self.ends: dict[Served, float] = {}
        self.due: dict[Served, int] = {}  # with what their connections are ready for

    def timeout_s(self) -> float | None:
        """Seconds until a timer is due; None for no timer."""
        return max(self._timers[0][0] - monotonic(), 0) if self._timers else None

    def step_due(self, now: float) -> None:
        """Step every socket that something happened to, or whose time has come."""
        while self._timers and self._timers[0][0] <= now:
            moment, _, served = heapq.heappop(self._timers)
            if self.ends.get(served) == moment:
                self.due.setdefault(served, 0)
        due, self.due = self.due, {}
        slice_ends = now + SLICE_S
        for served, ready in due.items():
            now = monotonic()
            if now >= slice_ends:
                sleep(BREATH_S)
                now = monotonic()
                slice_ends = now + SLICE_S
            if served.connection.fileno() >= 0:  # one that has ended may be woken still
                self._step(served, now, ready)

    def _step(self, served: Served, now: float, ready: int) -> None:
        try:
            moment = served.step(now, ready)
        except Exception:
            logger.exception("a socket failed")
            moment = None
        if moment is None:
            self._drop(served)
            return
        if self.ends.get(served) != moment:
            self.ends[served] = moment
            heapq.heappush(self._timers, (moment, next(self._numbers), served))
        self._listen(served, served.interest)

    def _listen(self, served: Served, interest: int) -> None:
        before = self._interests.get(served, 0)
        if interest == before:
            return
        if not before:
            self._selector.register(served.connection, interest, served)
        elif interest:
            self._selector.modify(served.connection, interest, served)
        else:
            self._selector.unregister(served.connection)
        self._interests[served] = interest

    def _drop(self, served: Served) -> None:
        self._listen(served, 0)
        self._interests.pop(served, None)
        self.ends.pop(served, None)
        try:
            served.close()
        except Exception:
            logger.exception("closing a socket failed")
