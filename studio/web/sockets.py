"""The open sockets of an application: how many a caller may have, how they are paced, and how they are all closed."""

import os
import signal
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from studio.web.checks import Checks
from studio.web.shared_counts import Columns
from studio.web.socket_counts import SocketCounts
from studio.web.socket_loop import SocketLoop
from studio.web.websocket import WebSocket


@dataclass(frozen=True)
class Pace:
    """When sockets do what.

    Attributes:
        ping_s: Seconds between two messages that only show the socket is alive.
        recheck_s: Seconds between two looks at whether the caller may still listen; the first comes at any time before.
        stall_s: Seconds a client may take to read what it was sent.
        backlog: Messages a client may be behind.
        backlog_s: Seconds for which it may be further behind, because many messages came at once.
        linger_s: Longest wait for the client's side of closing.
    """

    ping_s: float = 20
    recheck_s: float = 30
    stall_s: float = 30
    backlog: int = 1000
    backlog_s: float = 1
    linger_s: float = 5


class Sockets:
    """The open sockets of one application in this process."""

    def __init__(self, limit_per_caller: int, pace: Pace | None = None, columns: Columns | None = None) -> None:
        """
        Args:
            limit_per_caller: Sockets one caller may have open.
            pace: When sockets do what; None for what the API promises.
            columns: Those of the processes that count a caller's sockets together; None for this one alone.
        """
        self.pace = pace or Pace()
        self.is_stopping = False
        self.count = SocketCounts(limit_per_caller, columns).count
        self.checks = Checks(self.pace.recheck_s)
        self._open: set[WebSocket] = set()
        self.loop = SocketLoop()
        _of_this_process.add(self)

    @contextmanager
    def hold(self, socket: WebSocket) -> Iterator[None]:
        """Have a socket woken when the service stops."""
        self._open.add(socket)
        try:
            yield
        finally:
            self._open.discard(socket)

    def stop(self) -> None:
        """Have every socket closed as for a restart, and every later one at once."""
        self.is_stopping = True
        for socket in tuple(self._open):
            socket.wake()


_of_this_process: "weakref.WeakSet[Sockets]" = weakref.WeakSet()


def close_all_sockets() -> None:
    """Close every socket of this process with 1012; returns at once, from a signal handler too. Safe to repeat."""
    for sockets in tuple(_of_this_process):
        sockets.stop()


def wait_for_closed_sockets() -> None:
    """Wait until the sockets that are being closed have told their clients so, for as long as these may take."""
    for sockets in tuple(_of_this_process):
        sockets.loop.wait_until_idle(sockets.pace.linger_s + 1)


def close_sockets_on_sigterm() -> None:
    """Close every socket when this process is told to end, before it begins to wait for calls under way.

    For the main thread of an API process, once the server has installed its own handler: that one waits for calls
    under way, and clients had better go elsewhere meanwhile.
    """
    before = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        close_all_sockets()
        if callable(before):
            before(number, frame)
        elif before == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
    signal.siginterrupt(signal.SIGTERM, False)
