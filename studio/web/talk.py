"""What a socket says: the way of one caller through its feed, until there is a reason to close."""

import functools
import logging
import socket
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from studio.errors import BackendDown, Forbidden, InvalidInput, NotFound, TooMany, Unauthenticated
from studio.web.checks import Check
from studio.web.sockets import Sockets
from studio.web.websocket import Piece, WebSocket

logger = logging.getLogger(__name__)

WINDOW = 250  # messages under way that the client has not read yet
End = tuple[int, str]
DONE, RESTART, SLOW = (1000, ""), (1012, "service_restart"), (4408, "slow_consumer")
FAULT = (1011, "internal_error")


class Feed(Protocol):
    """What a socket tells, and hears; used by one thread at a time.

    Attributes:
        model_id: The model whose run it tells, where the path does not name it; its readers may then listen.
    """

    @property
    def model_id(self) -> str | None: ...

    @property
    def is_over(self) -> bool:
        """True once everything was taken and nothing more will come."""

    @property
    def is_hearing(self) -> bool:
        """False while what the client says is to wait."""

    @property
    def is_patient(self) -> bool:
        """True while the client need not read: it has the word."""

    @property
    def backlog(self) -> int:
        """Messages that wait to be taken; 0 while old ones are being replayed."""

    def start(self, wake: Callable[[], None]) -> None:
        """Begin; ``wake`` may be called from any thread when there is something to take."""

    def take(self, limit: int) -> list[bytes]:
        """The next messages, in order, each UTF-8; none when there is nothing yet. May wait for database and disk."""

    def take_kept(self, limit: int) -> list[bytes] | None:
        """As ``take``, without ever waiting; None when only ``take`` can tell."""

    def receive(self, piece: Piece) -> None:
        """Hear the next part of a message of the client; must not wait."""

    def heartbeat(self) -> bytes:
        """A message that only shows that the socket is alive."""

    def close(self) -> None:
        """Let go of everything; called once, whether or not it was started, and perhaps while ``take`` is at work."""


@dataclass(frozen=True)
class LetIn:
    """A caller that may listen.

    Attributes:
        feed: What it is told.
        check: Raises once it may not listen any more; may wait for a database.
        check_key: Equal for sockets that one check holds for; None for one that is nobody else's.
    """

    feed: Feed
    check: Callable[[], None]
    check_key: Hashable = None


def end_for(error: Exception, request_id: str) -> End:
    """How a socket ends for an error; one that nobody expected is logged, with the id of the handshake."""
    end = _code_of(error)
    if end == FAULT:
        logger.error("unexpected failure of a socket", exc_info=error, extra={"request_id": request_id})
    return end


def _code_of(error: Exception) -> End:
    if isinstance(error, Unauthenticated):
        return 4401, "unauthenticated"
    if isinstance(error, Forbidden):
        return 4403, "forbidden"
    if isinstance(error, NotFound):
        return 4404, "not_found"
    if isinstance(error, TooMany | BackendDown):
        return 1013, error.code
    return (1008, error.code) if isinstance(error, InvalidInput) else FAULT


class Talk:
    """One socket from the answer to its handshake to its end, as the loop serves it."""

    def __init__(
        self, web_socket: WebSocket, sockets: Sockets, start: LetIn | End, caller: ExitStack, request_id: str
    ) -> None:
        """
        Args:
            web_socket: The socket.
            sockets: Those of the application.
            start: The caller that was let in, or how the socket ends at once.
            caller: Closed as soon as the caller is told nothing more.
            request_id: Id of the handshake.
        """
        self._socket, self._sockets, self._start, self._caller = web_socket, sockets, start, caller
        self._request_id = request_id
        self._pace = sockets.pace
        self._wake = functools.partial(sockets.loop.wake, self)
        self._beside = functools.partial(sockets.loop.do_beside, self)
        self._check: Check | None = None
        self._taking: Future[list[bytes]] | None = None
        self._closed_by: float | None = None  # when the patience with the client's side of closing is over
        self._ping_at = self._patient_at = 0.0

    def begin(self, whole: ExitStack) -> None:
        """Hand over to the loop, which closes ``whole`` at the end; returns at once."""
        self._whole = whole
        self._socket.wake = self._wake
        now = time.monotonic()
        self._ping_at = now + self._pace.ping_s
        if isinstance(self._start, LetIn):
            start, checks = self._start, self._sockets.checks
            self._check = checks.join(start.check_key, start.check, self._wake, now)
            self._caller.callback(checks.leave, start.check_key, self._check, self._wake)
            start.feed.start(self._wake)
        self._sockets.loop.serve(self)

    @property
    def connection(self) -> socket.socket:
        """What the loop waits for."""
        return self._socket.connection

    @property
    def interest(self) -> int:
        """What it waits for there."""
        return self._socket.interest

    def close(self) -> None:
        """Let go of everything."""
        self._whole.close()

    def step(self, now: float, ready: int) -> float | None:
        """Do what can be done at once; returns when to come again at the latest, None at the end."""
        if self._closed_by is None:
            self._socket.pump(ready)
            end = self._start if isinstance(self._start, tuple) else self._talk(self._start, now)
            if isinstance(end, float):
                return end
            self._closed_by = now + self._pace.linger_s
            self._caller.close()
            self._socket.begin_close(*end)
            ready = 0
        self._socket.drain(ready)
        return None if self._socket.has_ended or now >= self._closed_by else self._closed_by

    def _talk(self, caller: LetIn, now: float) -> End | float:
        """Hear, and tell what there is; how the socket ends, or when to come again."""
        try:
            end = self._find_end(caller, now)
            if end is not None:
                return end
            may_be_more = self._tell(caller.feed, now)
        except Exception as error:
            return end_for(error, self._request_id)
        return now if may_be_more else self._next_due(now)

    def _find_end(self, caller: LetIn, now: float) -> End | None:
        if not self._socket.is_open:
            return DONE
        if self._socket.fault is not None:
            return self._socket.fault
        if self._sockets.is_stopping:
            return RESTART
        if self._is_slow(caller.feed, now):
            return SLOW
        if self._check is not None:
            self._check.look(now, self._beside)
        return DONE if self._taking is None and caller.feed.is_over else None

    def _is_slow(self, feed: Feed, now: float) -> bool:
        if feed.is_patient:
            self._patient_at = now
        since = self._socket.waiting_since
        if since is None:
            return False
        is_far_behind = feed.backlog + self._socket.unread > self._pace.backlog
        return now - max(since, self._patient_at) >= (self._pace.backlog_s if is_far_behind else self._pace.stall_s)

    def _tell(self, feed: Feed, now: float) -> bool:
        """Send what can be sent now; True when there may be more."""
        room = WINDOW - self._socket.unread if self._socket.is_clear else 0
        was_taking = self._taking is not None
        messages = self._take(feed, room)
        if messages:
            self._socket.send(messages)
        if now >= self._ping_at:
            self._ping_at = now + self._pace.ping_s
            if room > len(messages):
                self._socket.send([feed.heartbeat()])
        self._socket.mark(now)
        return bool(messages) and ((was_taking and self._taking is None) or feed.is_over)

    def _take(self, feed: Feed, room: int) -> list[bytes]:
        found_nothing = False
        if self._taking is not None:
            if not self._taking.done():
                return []
            messages, self._taking = self._taking.result(), None
            if messages:
                return messages
            found_nothing = True
        heard = self._socket.hear() if feed.is_hearing else []
        for piece in heard:
            feed.receive(piece)
        if room <= 0:
            return []
        kept = feed.take_kept(room)
        if kept is None and (heard or not found_nothing):  # else it would be asked again and again
            self._taking = self._beside(functools.partial(feed.take, room))
        return kept or []

    def _next_due(self, now: float) -> float:
        due = [self._ping_at]
        if self._check is not None and self._check.due_at is not None:
            due.append(self._check.due_at)
        if self._socket.mark_at is not None:
            due.append(self._socket.mark_at)
        since = self._socket.waiting_since
        if since is not None:
            late = (since + self._pace.backlog_s, since + self._pace.stall_s)
            due += [moment for moment in late if moment > now]
        return min(due)
