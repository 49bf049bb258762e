"""Declares operations: the decorator is the whole contract, the view's body is one call.

The order of what happens is the order the API promises: token, rate, visibility, permission, media types, parameters
and body, Idempotency-Key, If-Match, and only then the view, in one transaction with its audit entry.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
from flask import Blueprint as PlainBlueprint
from flask import Response, current_app, request
from flask_smorest import Blueprint
from marshmallow import Schema
from werkzeug.exceptions import MethodNotAllowed

from studio.backends.stores import Stores
from studio.domain.actors import Actor
from studio.domain.permissions import Access, Needs
from studio.errors import Forbidden, ModelNotFound, NotFound, PreconditionFailed
from studio.web.context import Context, Edge, Origin, current_edge, current_origin, note_actor
from studio.web.description import describe
from studio.web.idempotency import KeptAnswer, Repeat, claim
from studio.web.operation import JSON, Operation
from studio.web.reading import etag_matches, load_body, load_query, negotiate

View = Callable[..., Any]
NEEDED_FOR_A_NEW_MODEL = Needs.parse("model:write")
KEPT_HEADERS = ("Content-Type", "Location", "ETag")

_views: dict[str, View] = {}  # by operation id


@dataclass(frozen=True)
class Download:
    """An answer that is a file, streamed.

    Attributes:
        media_type: Its Content-Type.
        chunks: Its content; must not need the call's stores, which are closed by then.
        filename: Name to save it under; None shows it in place.
        headers: Further headers.
    """

    media_type: str
    chunks: Iterable[bytes]
    filename: str | None = None
    headers: Mapping[str, str] | None = None


def endpoint(
    bp: Blueprint,
    operation_id: str,
    method: str,
    path: str,
    *,
    needs: str,
    audit: str | None = None,
    changes_nothing: bool = False,
    unaudited: bool = False,
    status: int = 200,
    aliases: tuple[str, ...] = (),
    **contract: Any,
) -> Callable[[View], View]:
    """Declare one operation on a blueprint.

    Args:
        bp: The room's blueprint.
        operation_id: Id in the API, such as ``model.create``.
        method: HTTP method.
        path: Path below the blueprint's prefix.
        needs: Permission, such as ``model:read or organization:viewer``.
        audit: Audit action of a call that changes something; a GET that names one writes its entry.
        changes_nothing: For a POST that only computes: it must not hold the write lock while a model predicts.
        unaudited: For a POST that writes nothing an audit would tell, such as a ticket.
        status: Status of success.
        aliases: Further paths that answer the same.
        **contract: The other fields of Operation.

    Raises:
        TypeError: It may write and names no audit action.
    """
    if method != "GET" and audit is None and not (changes_nothing or unaudited):
        raise TypeError(f"{method} {path} changes state: name its audit action")
    writes = audit is not None if method == "GET" else not changes_nothing
    operation = Operation(operation_id, method, path, Needs.parse(needs), audit, writes, status, **contract)

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def handle(**args: Any) -> Response:
            return _answer(operation, view, args)

        view.operation = operation  # type: ignore[attr-defined]  # If-Match reads through it
        documented = bp.doc(**describe(operation, view))(handle)
        _views[operation_id] = view
        name = operation_id.replace(".", "_")
        bp.route(path, methods=[method], endpoint=name)(documented)
        for number, alias in enumerate(aliases):
            # the plain method: the OpenAPI document knows each operation once
            PlainBlueprint.add_url_rule(bp, alias, f"{name}_alias_{number}", handle, methods=[method])
        return view

    return decorate


def declared_operations() -> list[Operation]:
    """Every operation that a loaded room declares."""
    return [view.operation for view in _views.values()]  # type: ignore[attr-defined]


def _answer(operation: Operation, view: View, args: dict[str, Any]) -> Response:
    if request.method == "HEAD" and operation.writes:
        raise MethodNotAllowed([operation.method])  # whoever only looks must leave nothing behind
    edge, origin = current_edge(), current_origin()
    if operation.needs.is_public and operation.writes:
        edge.sign_in_limiter.count(origin.ip_address or "")
        return _write(operation, view, edge, edge.find_caller, origin, args)
    if operation.needs.is_public:
        return _answer_public(operation, view, args)
    actor = edge.identifier.identify(request.headers.get("Authorization"))
    note_actor(actor)
    if not operation.is_inference:
        edge.limiter.count(f"{actor.organization}/{actor.user_id}")
    if operation.finds_model is not None:
        with edge.open_stores(actor, write=False) as stores:
            args["model_id"] = operation.finds_model(stores, args.pop("name"))
    if operation.method == "GET" and not operation.writes:
        with edge.open_stores(actor, write=False) as stores:
            authorize_operation(edge, stores, origin, operation, args)
            return _read(operation, view, Context(stores, actor, origin), args)
    _let_through(operation, edge, actor, origin, args)
    return _write(operation, view, edge, lambda body: actor, origin, args)


def _let_through(operation: Operation, edge: Edge, actor: Actor, origin: Origin, args: Mapping[str, Any]) -> None:
    """Let an actor through to an operation that does not read alone; raises as ``authorize``."""
    key = (request.headers["Authorization"], operation.id, str(args.get("model_id")))
    if operation.admits_again and edge.admissions.is_known(*key):
        return
    with edge.open_stores(actor, write=False) as stores:
        authorize_operation(edge, stores, origin, operation, args)
    if operation.admits_again:
        edge.admissions.note(*key)


def authorize(edge: Edge, stores: Stores, origin: Origin, needs: Needs, model_id: str | None) -> None:
    """Let an actor through, or not.

    Args:
        edge: The application's edge.
        stores: Stores opened for the actor.
        origin: Where the call comes from.
        needs: What the operation needs.
        model_id: The model it is about, None where it is about none.

    Raises:
        TokenRevoked: The token was revoked.
        ModelNotFound: The actor may not know of the model.
        Forbidden: It may know of it, and not do this.
    """
    edge.admit(stores, origin)
    access: Access | None = None
    if model_id is not None:
        access = edge.find_access(stores, model_id)
        if access is None:
            raise ModelNotFound(model_id)
    if not needs.allow(stores.actor, access, lambda: edge.has_any_role(stores)):
        asked = " or ".join(" and ".join(sorted(parts)) for parts in needs.alternatives)
        raise Forbidden(f"This needs {asked}, which your token and your role do not give.")


def authorize_operation(
    edge: Edge, stores: Stores, origin: Origin, operation: Operation, args: Mapping[str, Any]
) -> None:
    """Let an actor through to an operation with the parameters of its path, or not; raises as ``authorize``."""
    try:
        authorize(edge, stores, origin, operation.needs, args.get("model_id"))
    except Forbidden:
        if operation.or_where is None or not operation.or_where(stores, **args):
            raise
    if operation.makes_model:
        authorize(edge, stores, origin, NEEDED_FOR_A_NEW_MODEL, None)


def _answer_public(operation: Operation, view: View, args: dict[str, Any]) -> Response:
    media_type = negotiate(operation)
    if operation.query is not None:
        args["query"] = load_query(operation)
    return _unless_known(_respond(operation, view(**args), media_type))


def _read(operation: Operation, view: View, ctx: Context, args: dict[str, Any]) -> Response:
    media_type = negotiate(operation)
    if operation.query is not None:
        args["query"] = load_query(operation)
    if media_type in operation.renders:
        return Response(operation.renders[media_type](ctx, **args), mimetype=media_type)
    return _unless_known(_respond(operation, view(ctx, **args), media_type))


def _unless_known(response: Response) -> Response:
    """The answer, or 304 where the caller has it already."""
    etag = response.headers.get("ETag")
    if etag and request.headers.get("If-None-Match") and etag_matches(request.headers["If-None-Match"], etag):
        response.close()
        return Response(status=304, headers={"ETag": etag})
    return response


def _write(
    operation: Operation,
    view: View,
    edge: Edge,
    find_caller: Callable[[Mapping[str, Any]], Actor],
    origin: Origin,
    args: dict[str, Any],
) -> Response:
    media_type = negotiate(operation)
    if operation.query is not None:
        args["query"] = load_query(operation)
    key = request.headers.get("Idempotency-Key") if operation.method == "POST" else None
    body: dict[str, Any] = {}
    body_hash = ""
    if operation.takes_body:
        limit_bytes = current_app.config["STUDIO_DATASET_LIMIT_BYTES"]
        body, body_hash = load_body(operation, limit_bytes, is_hashed=key is not None)
        if operation.body is not None or operation.form is not None:
            args["body"] = body
    actor = find_caller(body)
    repeat = None if key is None else _claim(operation, edge, actor, key, body_hash)
    if isinstance(repeat, KeptAnswer):
        headers = {**repeat.headers, "Idempotency-Replayed": "true"}
        return Response(repeat.body, repeat.status, headers)
    try:
        with edge.open_stores(actor, write=operation.writes) as stores:
            ctx = Context(stores, actor, origin)
            _check_precondition(operation, ctx, args)
            response = _respond(operation, view(ctx, **args), media_type)
            if operation.audit is not None and stores.note is not None:
                edge.append_audit(stores, operation.audit, stores.note, origin)
            if repeat is not None and operation.writes and response.status_code < 400:
                repeat.keep(stores, _to_keep(response))
    except BaseException:
        if repeat is not None:
            repeat.release(lambda: edge.open_stores(actor, write=True))
        raise
    if response.status_code >= 400:
        if repeat is not None:
            repeat.release(lambda: edge.open_stores(actor, write=True))
    elif repeat is not None and not operation.writes:
        with edge.open_stores(actor, write=True) as stores:
            repeat.keep(stores, _to_keep(response))
    return response  # only after the commit


def _claim(operation: Operation, edge: Edge, actor: Actor, key: str, body_hash: str) -> Repeat | KeptAnswer:
    route = f"{operation.method} {request.path}?{request.query_string.decode('latin-1')}"
    return claim(lambda: edge.open_stores(actor, write=True), edge.seal, key, route, body_hash)


def _check_precondition(operation: Operation, ctx: Context, args: dict[str, Any]) -> None:
    header = request.headers.get("If-Match")
    if header is None or operation.method not in ("PATCH", "PUT", "DELETE"):
        return
    etag = ""
    if operation.current is not None:
        view = _views[operation.current] if isinstance(operation.current, str) else operation.current
        reading: Operation = view.operation  # type: ignore[attr-defined]
        try:
            result = view(ctx, **{name: args[name] for name in reading.parameters})
        except NotFound as error:
            if reading.parameters != ["model_id"]:  # what the path itself names is missing
                raise
            raise PreconditionFailed("There is nothing that If-Match could name.") from error
        etag = _etag_of(_dump(reading, result), result)
    if not etag_matches(header, etag):
        raise PreconditionFailed("The resource is no longer what If-Match names; read it again.")


def _respond(operation: Operation, result: Any, media_type: str) -> Response:
    if isinstance(result, Response):
        return result
    if isinstance(result, Download):
        return _stream(result)
    if operation.returns is None:
        return Response(status=operation.status)
    payload = _dump(operation, result)
    response = Response(payload, operation.status, mimetype=media_type if media_type else JSON)
    if operation.has_etag:
        response.headers["ETag"] = _etag_of(payload, result)
    if operation.location is not None:
        response.headers["Location"] = _location_of(operation.location, payload)
    return response


def _dump(operation: Operation, result: Any) -> bytes:
    schema: Schema | None = operation.returns
    assert schema is not None
    return orjson.dumps(schema.dump(result, many=operation.is_list), option=orjson.OPT_SERIALIZE_NUMPY)


def _etag_of(payload: bytes, result: Any) -> str:
    """The tag of an answer, and of what its record says of changes that the answer does not show."""
    revision = getattr(result, "revision", "")
    return f'"{hashlib.sha256(payload + revision.encode()).hexdigest()[:32]}"'


def _location_of(template: str, payload: bytes) -> str:
    """The address of a template; a value that is an address itself stays as it is."""
    told = {name: str(value) for name, value in {**(request.view_args or {}), **orjson.loads(payload)}.items()}
    quoted = {name: value if value.startswith("/") else quote(value, safe="") for name, value in told.items()}
    return template.format(**quoted)


def _stream(download: Download) -> Response:
    response = Response(iter(download.chunks), mimetype=download.media_type)
    response.headers.update(download.headers or {})
    if download.filename is not None:
        response.headers.set("Content-Disposition", "attachment", filename=download.filename)
    return response


def _to_keep(response: Response) -> KeptAnswer:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return KeptAnswer(response.status_code, response.get_data(as_text=True), headers)
