"""Who may do what below ``/mlflow``: every request passes here before MLflow's server sees it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from werkzeug.wrappers import Response

from studio.backends.mlflow.client_requests import ORGANIZATION_WORKSPACE
from studio.backends.mlflow.connection import MlflowConnection
from studio.backends.mlflow.entrance import render_entrance
from studio.backends.mlflow.environment import PREFIX
from studio.backends.mlflow.routes import Access, Route, find_route
from studio.backends.mlflow.visibility import confined_to
from studio.domain.actors import Actor
from studio.domain.permissions import Reach
from studio.errors import Forbidden, StudioError

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Any], Iterable[bytes]]

COOKIE: Final = "model_studio_mlflow"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Session:
    """What a ticket opens.

    Attributes:
        value: Of the session cookie.
        life_s: How long it holds, in seconds.
        organization: Whose models it shows.
    """

    value: str
    life_s: int
    organization: str


@dataclass(frozen=True)
class Gatekeeper:
    """What the guard must be told by those who know callers.

    Attributes:
        identify: The caller behind an Authorization header, or else behind a session cookie's value. Raises
            Unauthenticated.
        admit: Counts a caller's request. Raises Unauthenticated where its token was revoked, TooMany.
        open_session: The session a ticket is good for. Raises Unauthenticated.
        find_reach: Which models of its organization a caller reaches with a permission; None for none at all.
        note_change: Told when a caller may have changed its organization's registry.
        refuse: The whole answer for an error, given the caller where it is known.
    """

    identify: Callable[[str | None, str | None], Actor]
    admit: Callable[[Actor], None]
    open_session: Callable[[str], Session]
    find_reach: Callable[[Actor, str], Reach | None]
    note_change: Callable[[Actor], None]
    refuse: Callable[[StudioError, Environ, Actor | None], WsgiApp]


class Guard:
    """Lets a request through to MLflow's server, confined to its caller's organization, or answers it."""

    def __init__(self, connection: MlflowConnection, gatekeeper: Gatekeeper) -> None:
        self._connection = connection
        self._gatekeeper = gatekeeper

    def handle(self, server: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one WSGI request below the prefix, with MLflow's server where its caller may."""
        actor: Actor | None = None
        try:
            ticket = _ticket_of(environ)
            if ticket is not None:
                return self._open_session(ticket, environ)(environ, start_response)
            route = find_route(environ)
            authorization, cookie = _credentials_of(environ)
            actor = self._gatekeeper.identify(authorization, cookie)
            self._gatekeeper.admit(actor)
            reach = self._find_reach(actor, environ, route)
            if reach.is_limited and route.is_shared:
                raise Forbidden("This is open to callers who see every model of their organization.")
            environ["HTTP_X_MLFLOW_WORKSPACE"] = self._connection.ensure(actor.organization)
            environ[ORGANIZATION_WORKSPACE] = environ["HTTP_X_MLFLOW_WORKSPACE"]
            with confined_to(reach):
                answer = server(environ, _with_safe_headers(start_response))
            if route.changes_registry:
                self._gatekeeper.note_change(actor)
            return answer
        except StudioError as error:
            return self._gatekeeper.refuse(error, environ, actor)(environ, start_response)

    def _find_reach(self, actor: Actor, environ: Environ, route: Route) -> Reach:
        """The models a caller may make this request about, if it may make it at all.

        A change sees only models its caller may change: all others are absent to it.

        Raises:
            Forbidden: It may not do this.
        """
        access = route.access
        if access in (Access.REFUSED, Access.UNDECIDED):
            raise Forbidden("This part of MLflow is switched off here.")
        needed = "model:write" if access is Access.WRITE else "model:read"
        reach = self._gatekeeper.find_reach(actor, needed)
        if reach is None or (reach.only is not None and route.makes_a_name):
            raise Forbidden(f"This needs the permission {needed}.")
        if "HTTP_AUTHORIZATION" not in environ and access is Access.WRITE and not _is_same_origin(environ):
            raise Forbidden("A change with a session cookie must come from MLflow's own pages.")
        return reach

    def _open_session(self, ticket: str, environ: Environ) -> Response:
        """Exchange a ticket for the cookie and go on without it in the address."""
        session = self._gatekeeper.open_session(ticket)
        response = render_entrance(session.organization)
        response.set_cookie(
            COOKIE,
            session.value,
            max_age=session.life_s,
            path=PREFIX,
            secure=not _is_plain_loopback(environ),
            httponly=True,
            samesite="Strict",
        )
        return response


def _ticket_of(environ: Environ) -> str | None:
    if environ["REQUEST_METHOD"] != "GET" or environ.get("PATH_INFO") not in (PREFIX, f"{PREFIX}/"):
        return None
    return next(iter(parse_qs(environ.get("QUERY_STRING", "")).get("ticket", [])), None)


def _credentials_of(environ: Environ) -> tuple[str | None, str | None]:
    """The Authorization header, or else the session cookie's value."""
    authorization = environ.get("HTTP_AUTHORIZATION")
    return authorization, _cookie_of(environ) if authorization is None else None


def _cookie_of(environ: Environ) -> str | None:
    try:
        morsel = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None


def _is_same_origin(environ: Environ) -> bool:
    """True when a browser says that the request was made by a page of this very host."""
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return bool(site == "same-origin")
    origin = urlsplit(environ.get("HTTP_ORIGIN", "")).netloc
    hosts = (environ.get("HTTP_HOST"), environ.get("HTTP_X_FORWARDED_HOST"))
    return origin != "" and origin in hosts


def _is_plain_loopback(environ: Environ) -> bool:
    """True for plain HTTP to this machine, where not every browser keeps a cookie marked Secure."""
    scheme = environ.get("HTTP_X_FORWARDED_PROTO") or environ["wsgi.url_scheme"]
    host = urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname
    return scheme == "http" and host in _LOOPBACK


def _with_safe_headers(start_response: Any) -> Any:
    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        given = {name.lower() for name, _ in headers}
        safe = [
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "SAMEORIGIN"),
            ("Referrer-Policy", "same-origin"),
        ]
        return start_response(status, headers + [pair for pair in safe if pair[0].lower() not in given], *rest)

    return start
