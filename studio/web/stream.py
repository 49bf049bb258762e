"""Declares sockets: the twin of ``endpoint`` for WebSockets.

The handshake is always accepted and a refused caller then closed with the code, because a browser shows its page the
close code of an open socket and nothing of a refused handshake. A socket holds a thread as long as it is open, and
no database connection: whoever may listen is looked up again from time to time, in a transaction of its own.
"""

import errno
import functools
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, Protocol

from flask import Blueprint as PlainBlueprint
from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema

from studio.domain.actors import Actor
from studio.domain.permissions import Needs
from studio.errors import (
    BackendDown,
    Forbidden,
    InvalidInput,
    NotFound,
    StudioError,
    TokenExpired,
    TokenInvalid,
    TooMany,
    Unauthenticated,
)
from studio.web.context import Context, Edge, Origin, current_edge, current_origin
from studio.web.endpoint import View, authorize
from studio.web.operation import Operation
from studio.web.reading import load_query
from studio.web.sockets import Sockets
from studio.web.websocket import WebSocket

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 << 10
WINDOW = 250  # messages under way that the client has not read yet
End = tuple[int, str]
DONE, RESTART, SLOW = (1000, ""), (1012, "service_restart"), (4408, "slow_consumer")
FAULT = (1011, "internal_error")


class Feed(Protocol):
    """What a socket tells; used by the socket's thread alone."""

    @property
    def is_over(self) -> bool:
        """True once everything was taken and nothing more will come."""

    @property
    def backlog(self) -> int:
        """Messages that wait to be taken; 0 while old ones are being replayed."""

    def start(self, wake: Callable[[], None]) -> None:
        """Begin; ``wake`` may be called from any thread when there is something to take."""

    def take(self, limit: int) -> list[str]:
        """The next messages, in order; none when there is nothing yet. Does not wait for any."""

    def receive(self, message: str | bytes) -> None:
        """Hear a message of the client."""

    def heartbeat(self) -> str:
        """A message that only shows that the socket is alive."""

    def close(self) -> None:
        """Let go of everything; called once, whether or not it was started."""


def stream(
    bp: Blueprint,
    operation_id: str,
    path: str,
    *,
    needs: str,
    query: Schema | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    aliases: tuple[str, ...] = (),
) -> Callable[[View], View]:
    """Declare a socket on a blueprint.

    The view is called once the caller is let in, with open stores as in ``endpoint``; it returns a Feed, which must
    not need these stores later.

    Args:
        bp: The room's blueprint.
        operation_id: Id in the API, such as ``training_metrics.stream``.
        path: Path below the blueprint's prefix.
        needs: Permission, such as ``model:read``.
        query: Schema of the parameters.
        max_message_bytes: Longest message the client may send.
        aliases: Further paths that do the same.
    """
    operation = Operation(operation_id, "WS", path, Needs.parse(needs), None, False, 101, query)

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def handle(**args: Any) -> Response:
            socket = WebSocket.accept(request.environ, max_message_bytes=max_message_bytes)
            _serve(operation, view, socket, args)
            return _HandedOver(status=101)

        view.operation = operation  # type: ignore[attr-defined]
        name = operation_id.replace(".", "_")
        for number, each in enumerate((path, *aliases)):
            # the plain method: the OpenAPI document knows no sockets
            PlainBlueprint.add_url_rule(bp, each, f"{name}_{number}", handle, websocket=True)
        return view

    return decorate


class _HandedOver(Response):
    """The answer to a request whose connection became a socket: the server has nothing to send any more."""

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        raise ConnectionResetError(errno.ECONNRESET, "the connection became a WebSocket")  # servers then just close


def _serve(operation: Operation, view: View, socket: WebSocket, args: dict[str, Any]) -> None:
    sockets = current_edge().sockets
    try:
        with sockets.hold(socket):
            end = _talk_until_end(operation, view, socket, args)
        socket.close(*end, linger_s=sockets.pace.linger_s)
    finally:
        socket.release()


def _talk_until_end(operation: Operation, view: View, socket: WebSocket, args: dict[str, Any]) -> End:
    try:
        return _let_in_and_talk(operation, view, socket, args)
    except StudioError as error:
        end = _end_for(error)
        if end == FAULT:
            logger.error("unexpected failure of a socket", exc_info=error)
        return end
    except Exception as error:
        logger.error("unexpected failure of a socket", exc_info=error)
        return FAULT


def _let_in_and_talk(operation: Operation, view: View, socket: WebSocket, args: dict[str, Any]) -> End:
    edge, origin = current_edge(), current_origin()
    if edge.sockets.is_stopping:
        return RESTART
    actor, run_id = _identify(edge, args)
    caller = f"{actor.organization}/{actor.user_id}"
    edge.limiter.count(caller)
    with ExitStack() as stack:
        stack.enter_context(edge.sockets.count(caller))
        with edge.open_stores(actor, write=False) as stores:
            authorize(edge, stores, origin, operation.needs, args.get("model_id"))
            if operation.query is not None:
                args["query"] = _narrow(load_query(operation), run_id)
            feed: Feed = view(Context(stores, actor, origin), **args)
        stack.callback(feed.close)
        feed.start(socket.wake)
        check = functools.partial(_check_again, edge, actor, origin, operation.needs, args.get("model_id"))
        return _Talk(socket, feed, edge.sockets, check).run()


def _identify(edge: Edge, args: dict[str, Any]) -> tuple[Actor, str | None]:
    """The caller, and the run its ticket is for."""
    ticket = request.args.get("ticket")
    if ticket is None:
        return edge.identifier.identify(request.headers.get("Authorization")), None
    actor, model_id, run_id = edge.redeem_ticket(ticket)
    if model_id != args.get("model_id"):
        raise TokenInvalid("The ticket is for another stream.")
    return actor, run_id


def _narrow(query: dict[str, Any], run_id: str | None) -> dict[str, Any]:
    if run_id is None:
        return query
    if query.get("run_id") not in (None, run_id):
        raise TokenInvalid("The ticket is for another run.")
    return {**query, "run_id": run_id}


def _check_again(edge: Edge, actor: Actor, origin: Origin, needs: Needs, model_id: str | None) -> None:
    with edge.open_stores(actor, write=False) as stores:
        if actor.expires_at is not None and stores.now() >= actor.expires_at:
            raise TokenExpired("The token has expired; get a new one.")
        authorize(edge, stores, origin, needs, model_id)


def _end_for(error: StudioError) -> End:
    if isinstance(error, Unauthenticated):
        return 4401, "unauthenticated"
    if isinstance(error, Forbidden):
        return 4403, "forbidden"
    if isinstance(error, NotFound):
        return 4404, "not_found"
    if isinstance(error, TooMany | BackendDown):
        return 1013, error.code
    return (1008, error.code) if isinstance(error, InvalidInput) else FAULT


class _Talk:
    """A caller that was let in, and its feed."""

    def __init__(self, socket: WebSocket, feed: Feed, sockets: Sockets, check: Callable[[], None]) -> None:
        self._socket, self._feed, self._sockets, self._check = socket, feed, sockets, check
        self._pace = sockets.pace
        now = time.monotonic()
        self._ping_at, self._check_at = now + self._pace.ping_s, now + self._pace.recheck_s

    def run(self) -> End:
        """Tell until there is a reason to close."""
        timeout_s = 0.0
        while True:
            self._socket.wait(timeout_s)
            now = time.monotonic()
            end = self._find_end(now)
            if end is not None:
                return end
            while self._socket.received:
                self._feed.receive(self._socket.received.popleft())
            timeout_s = 0.0 if self._tell(now) else max(self._next_due(now) - now, 0.0)

    def _find_end(self, now: float) -> End | None:
        if not self._socket.is_open:
            return DONE
        if self._socket.fault is not None:
            return self._socket.fault
        if self._sockets.is_stopping:
            return RESTART
        if self._is_slow(now):
            return SLOW
        if now >= self._check_at:
            self._check()
            self._check_at = now + self._pace.recheck_s
        return DONE if self._feed.is_over else None

    def _is_slow(self, now: float) -> bool:
        since = self._socket.waiting_since
        if since is None:
            return False
        is_far_behind = self._feed.backlog + self._socket.unread > self._pace.backlog
        return now - since >= (self._pace.backlog_s if is_far_behind else self._pace.stall_s)

    def _tell(self, now: float) -> bool:
        """Send what can be sent now; True when there may be more."""
        room = WINDOW - self._socket.unread if self._socket.is_clear else 0
        messages = self._feed.take(room) if room > 0 else []
        for message in messages:
            self._socket.send(message)
        if now >= self._ping_at:
            self._ping_at = now + self._pace.ping_s
            if room > len(messages):
                self._socket.send(self._feed.heartbeat())
        self._socket.mark()
        return bool(messages)

    def _next_due(self, now: float) -> float:
        due = min(self._ping_at, self._check_at)
        since = self._socket.waiting_since
        if since is None:
            return due
        late = [since + self._pace.backlog_s, since + self._pace.stall_s]
        return min([due, *(moment for moment in late if moment > now)])
