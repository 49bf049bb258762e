"""Declares sockets: the twin of ``endpoint`` for WebSockets.

The handshake is always accepted and a refused caller then closed with the code, because a browser shows its page the
close code of an open socket and nothing of a refused handshake. Once the caller is let in, or refused, one thread
serves the socket along with all others and the request's thread is free. An open socket holds no database
connection: whoever may listen is looked up again from time to time, in a transaction of its own.
"""

import errno
import functools
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from flask import Blueprint as PlainBlueprint
from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema

from studio.domain.actors import Actor
from studio.domain.permissions import Needs
from studio.errors import StudioError, TokenExpired, TokenInvalid
from studio.web.context import Context, Edge, Origin, current_actor, current_edge, current_origin, note_actor
from studio.web.endpoint import View, authorize, authorize_operation
from studio.web.operation import Operation
from studio.web.reading import load_query
from studio.web.refusals import note_refusal
from studio.web.talk import RESTART, End, Feed, LetIn, Talk, end_for
from studio.web.websocket import WebSocket

MAX_MESSAGE_BYTES = 64 << 10
LISTENING = Needs.parse("model:read")


def stream(
    bp: Blueprint,
    operation_id: str,
    path: str,
    *,
    needs: str,
    or_where: Callable[..., bool] | None = None,
    audit: str | None = None,
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
        or_where: As of Operation.
        audit: Audit action of what the client's messages have done; its entry is for the feed to append.
        query: Schema of the parameters.
        max_message_bytes: Longest message the client may send.
        aliases: Further paths that do the same.
    """
    operation = Operation(
        operation_id, "WS", path, Needs.parse(needs), audit, audit is not None, 101, query, or_where=or_where
    )

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def handle(**args: Any) -> Response:
            named = {"X-Request-ID": current_origin().request_id}
            socket = WebSocket.accept(request.environ, max_message_bytes=max_message_bytes, headers=named)
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
    sockets, origin = current_edge().sockets, current_origin()
    with ExitStack() as stack:
        stack.callback(socket.release)
        caller = stack.enter_context(ExitStack())
        caller.enter_context(sockets.hold(socket))
        try:
            start: LetIn | End = _let_in(operation, view, args, caller)
        except Exception as error:
            if isinstance(error, StudioError):
                note_refusal(error, origin, current_actor())
            start = end_for(error, origin.request_id)
        Talk(socket, sockets, start, caller, origin.request_id).begin(stack.pop_all())


def _let_in(operation: Operation, view: View, args: dict[str, Any], stack: ExitStack) -> LetIn | End:
    edge, origin = current_edge(), current_origin()
    if edge.sockets.is_stopping:
        return RESTART
    actor, run_id = _identify(edge, args)
    note_actor(actor)
    caller = f"{actor.organization}/{actor.user_id}"
    edge.limiter.count(caller)
    stack.enter_context(edge.sockets.count(caller))
    with edge.open_stores(actor, write=False) as stores:
        authorize_operation(edge, stores, origin, operation, args)
        query = {} if operation.query is None else {"query": _narrow(load_query(operation), run_id)}
        feed: Feed = view(Context(stores, actor, origin), **query, **args)
    stack.callback(feed.close)
    check = functools.partial(_check_again, edge, actor, origin, operation, args, feed)
    return LetIn(feed, check, (actor, operation.id, *args.items()) if operation.audit is None else None)


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


def _check_again(
    edge: Edge, actor: Actor, origin: Origin, operation: Operation, args: dict[str, Any], feed: Feed
) -> None:
    with edge.open_stores(actor, write=False) as stores:
        if actor.expires_at is not None and stores.now() >= actor.expires_at:
            raise TokenExpired("The token has expired; get a new one.")
        if feed.model_id is not None:
            authorize(edge, stores, origin, LISTENING, feed.model_id)
        else:
            authorize_operation(edge, stores, origin, operation, args)
