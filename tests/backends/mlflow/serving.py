"""A server with MLflow mounted, and callers of two organizations."""

import json
import threading
from contextlib import contextmanager

from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from studio.backends.mlflow.guard import Gatekeeper, Guard, Session
from studio.backends.mlflow.mount import mount
from studio.domain.actors import Actor
from studio.domain.permissions import Reach
from studio.errors import TokenInvalid, TokenMissing, Unauthenticated
from tests.mlflow_store import point_mlflow_server_at

WRITER = frozenset({"model:read", "model:write"})
ACTORS = {
    "acme-token": Actor("acme", "user-1", permissions=WRITER),
    "acme-reader": Actor("acme", "user-2", permissions=frozenset({"model:read"})),
    "acme-other": Actor("acme", "user-3", permissions=WRITER),
    "acme-blind": Actor("acme", "user-6", permissions=WRITER),
    "acme-roles": Actor("acme", "user-7"),
    "acme-nothing": Actor("acme", "user-4"),
    "borealis-token": Actor("borealis", "user-5", permissions=WRITER),
}


def identify(authorization, cookie):
    """The actor whose token or cookie this is."""
    if authorization is None and cookie is None:
        raise TokenMissing("Send a token.")
    actor = ACTORS.get((authorization or "").removeprefix("Bearer ") or cookie)
    if actor is None:
        raise TokenInvalid("The token is not valid.")
    return actor


def open_session(ticket):
    """A ticket is a token here."""
    if ticket not in ACTORS:
        raise TokenInvalid("The ticket is not valid.")
    return Session(ticket, 600, ACTORS[ticket].organization)


def refuse(error, environ, actor):
    """The code of the error, as the edge would answer it."""
    status = 401 if isinstance(error, Unauthenticated) else 403
    body = json.dumps({"code": error.code, "detail": str(error)})
    return Response(body, status, mimetype="application/problem+json")


def find_reach(actor, permission):
    """Two of one organization do not see every model, and one reaches only those it has a role on."""
    if actor.user_id == "user-7":
        return Reach(only=frozenset({"Mine", "Shown"} if permission == "model:read" else {"Mine"}))
    if permission not in actor.permissions:
        return None
    hidden = {"user-3": {"Secret"}, "user-6": {"confidential model", "confidential experiment"}}
    return Reach(frozenset(hidden.get(actor.user_id, ())))


@contextmanager
def running_server(connection):
    """Address of a server with MLflow mounted on this connection's database."""
    point_mlflow_server_at(connection)
    gatekeeper = Gatekeeper(identify, lambda actor: None, open_session, find_reach, lambda actor: None, refuse)
    app = mount(Response("ours", 200), guard=Guard(connection, gatekeeper))
    running = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        thread.join()
        running.server_close()
