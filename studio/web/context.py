"""What one request is: who calls, from where, and with which stores."""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flask import Flask, current_app, g, request
from werkzeug.wsgi import get_path_info

from studio.backends.stores import Note, OpenFor, Stores
from studio.domain.actors import Actor
from studio.domain.permissions import Access
from studio.web.admissions import Admissions
from studio.web.identity import Identifier
from studio.web.limiter import CallLimiter
from studio.web.sockets import Sockets

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True)
class Origin:
    """Where a call comes from and what it calls, for logs and the audit.

    Attributes:
        request_id: The client's ``X-Request-ID`` where it is usable, else one made up.
        ip_address: Address of the client, as the nearest trusted hop tells it.
        method: HTTP method.
        path: Path without its parameters.
    """

    request_id: str
    ip_address: str | None
    method: str
    path: str


@dataclass(frozen=True)
class Context:
    """What a view works with.

    Attributes:
        stores: Open stores; their transaction ends with the view.
        actor: Who calls.
        origin: Where the call comes from.
    """

    stores: Stores
    actor: Actor
    origin: Origin


@dataclass(frozen=True)
class Edge:
    """What the edge needs of the rooms, put together in ``studio/app.py``.

    Attributes:
        open_stores: Opens stores.
        identifier: Reads tokens.
        limiter: Counts calls.
        sign_in_limiter: Counts sign-ins per address.
        find_caller: Who calls a public operation that changes something, by the credentials in its body. Raises
            Unauthenticated.
        admit: Refuses a revoked token, and makes a person a member at the first call.
        find_access: How the caller stands to a model; None where it may not know the model exists.
        has_any_role: Whether the caller has a role on any model.
        append_audit: Appends the entry of a call.
        redeem_ticket: Takes a stream ticket back for its caller, model id and run id.
        sockets: The open sockets.
        seal: Encrypts and decrypts kept answers.
        admissions: Who was let through a moment ago.
    """

    open_stores: OpenFor
    identifier: Identifier
    limiter: CallLimiter
    sign_in_limiter: CallLimiter
    find_caller: Callable[[Mapping[str, Any]], Actor]
    admit: Callable[[Stores, Origin], None]
    find_access: Callable[[Stores, str], Access | None]
    has_any_role: Callable[[Stores], bool]
    append_audit: Callable[[Stores, str, Note, Origin], None]
    redeem_ticket: Callable[[str], tuple[Actor, str | None, str | None]]
    sockets: Sockets
    seal: "Seal"
    admissions: Admissions = field(default_factory=Admissions)


class Seal(Protocol):
    """Encryption of what is kept for repeated requests."""

    def encrypt(self, data: bytes) -> bytes: ...

    def decrypt(self, token: bytes) -> bytes: ...


def install_edge(app: Flask, edge: Edge) -> None:
    """Make an edge the application's."""
    app.extensions["studio"] = edge


def current_edge() -> Edge:
    """The application's edge."""
    edge: Edge = current_app.extensions["studio"]
    return edge


def note_actor(actor: Actor) -> None:
    """Keep who makes the request being answered, for the logs."""
    g.studio_actor = actor


def current_actor() -> Actor | None:
    """Who makes the request being answered; None while that is not known."""
    actor: Actor | None = g.get("studio_actor")
    return actor


def find_origin(environ: dict[str, Any]) -> Origin:
    """Origin of a WSGI request; its id is made once per request and kept in the environ."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    kept = environ.get("studio.request_id")
    request_id = kept or (given if REQUEST_ID.fullmatch(given) else f"req-{secrets.token_hex(8)}")
    environ["studio.request_id"] = request_id
    return Origin(request_id, environ.get("REMOTE_ADDR"), environ["REQUEST_METHOD"], get_path_info(environ))


def current_origin() -> Origin:
    """Origin of the request being answered."""
    return find_origin(request.environ)
