"""Who may pass to the mounted MLflow: the same tokens as everywhere, or a cookie obtained with one."""

import logging
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from studio.auth import service as auth
from studio.backends.mlflow.guard import Gatekeeper, Session
from studio.backends.stores import Stores
from studio.domain.actors import Actor, pack_actor, unpack_actor
from studio.domain.permissions import Reach
from studio.errors import StudioError, TokenExpired, TokenInvalid, TokenMissing
from studio.models import service as models
from studio.runtime import Runtime
from studio.versions import service as versions
from studio.web.context import Edge, find_origin
from studio.web.errors import headers_of, problem, status_of
from studio.web.refusals import note_refusal
from studio.web.sign_in import render_sign_in, wants_page

logger = logging.getLogger(__name__)

SESSION_LIFE = timedelta(hours=8)


def make_gatekeeper(edge: Edge, runtime: Runtime) -> Gatekeeper:
    """What the guard of the mount asks of us."""
    secret = runtime.config.signing_secret.get_secret_value()
    sessions = URLSafeTimedSerializer(secret, salt="mlflow session")

    def identify(authorization: str | None, cookie: str | None) -> Actor:
        if cookie is not None and not authorization:
            return _actor_of(sessions, cookie, runtime.clock())
        return _caller_of(edge, authorization)

    def admit(actor: Actor) -> None:
        edge.limiter.count(f"{actor.organization}/{actor.user_id}/mlflow")
        with _reading(runtime, actor) as stores:
            auth.check_not_revoked(stores)

    def open_session(ticket: str) -> Session:
        with runtime.database.transaction(write=True) as db:
            actor, model_id, _ = auth.redeem_ticket(db, ticket, runtime.clock())
        if model_id is not None:
            raise TokenInvalid("This ticket opens a model's stream, not MLflow; get one without model_id.")
        life = SESSION_LIFE
        if actor.expires_at is not None:
            life = min(life, actor.expires_at - runtime.clock())
        return Session(str(sessions.dumps(pack_actor(actor))), int(life.total_seconds()), actor.organization)

    def find_reach(actor: Actor, permission: str) -> Reach | None:
        with _reading(runtime, actor) as stores:
            return models.find_reach(stores, permission)

    def note_change(actor: Actor) -> None:
        with runtime.open_stores(actor, write=True) as stores:
            versions.note_change(stores)

    return Gatekeeper(
        identify=identify,
        admit=admit,
        open_session=open_session,
        find_reach=find_reach,
        note_change=note_change,
        refuse=lambda error, environ, actor: _refuse(error, actor, environ, runtime.config.public_url),
    )


def _reading(runtime: Runtime, actor: Actor) -> AbstractContextManager[Stores]:
    return runtime.open_stores(actor, write=False)


def _caller_of(edge: Edge, authorization: str | None) -> Actor:
    try:
        return edge.identifier.identify(authorization)
    except TokenMissing as error:
        raise TokenMissing(
            "Send a token as `Authorization: Bearer <token>`: MLflow's clients take it from MLFLOW_TRACKING_TOKEN. A "
            "browser signs in on this page, or with /mlflow/?ticket=<ticket of POST /api/v1/models/stream-tickets>."
        ) from error


def _actor_of(sessions: URLSafeTimedSerializer, cookie: str, now: datetime) -> Actor:
    try:
        actor = unpack_actor(sessions.loads(cookie, max_age=int(SESSION_LIFE.total_seconds())))
    except SignatureExpired as error:
        raise TokenExpired("The session is over; sign in again.") from error
    except BadSignature as error:
        raise TokenInvalid("The session cookie is not ours.") from error
    if actor.expires_at is not None and actor.expires_at < now:
        raise TokenExpired("The token behind this session has expired; sign in again.")
    return actor


def _refuse(error: StudioError, actor: Actor | None, environ: dict[str, Any], address: str) -> Response:
    origin = find_origin(environ)
    note_refusal(error, origin, actor)
    status = status_of(error)
    told = {"path": origin.path, "status": status, "code": error.code, "request_id": origin.request_id}
    logger.info("mlflow request refused", extra=told)
    body = problem(
        status, error.code, str(error), instance=origin.path, request_id=origin.request_id, fields=error.fields
    )
    response = Response(body, status, mimetype="application/problem+json")
    if status == 401 and wants_page(origin.method, environ.get("HTTP_ACCEPT", "")):
        response = render_sign_in("" if isinstance(error, TokenMissing) else str(error), address)
    response.headers.update(headers_of(error))
    return response
