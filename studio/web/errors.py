"""One problem body (RFC 9457) for every failure: ours, Flask's, and those nobody expected."""

import errno
import logging
from collections.abc import Sequence
from typing import Any

import orjson
from flask import Flask, Response, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.routing.exceptions import WebsocketMismatch

from studio import errors
from studio.domain.json_pointers import escape
from studio.errors import StudioError
from studio.web.context import current_actor, current_origin
from studio.web.error_forms import in_other_words
from studio.web.refusals import note_refusal

logger = logging.getLogger(__name__)

STATUS_OF: dict[type[StudioError], int] = {
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.InvalidInput: 422,
    errors.TooMany: 429,
    errors.InternalFault: 500,
    errors.BackendDown: 503,
}  # the nearest base class wins

TITLES = {
    400: "The request cannot be read",
    401: "No valid token",
    403: "Not allowed",
    404: "Not found",
    405: "Method not offered here",
    406: "No acceptable representation",
    409: "In conflict with the present state",
    412: "The resource has changed",
    413: "The body is too large",
    415: "Media type not taken",
    422: "The request is not valid",
    429: "Too many calls",
    500: "A fault of the service",
    503: "Temporarily unable",
}
HTTP_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
}
NO_SOCKET = "There is no WebSocket at this path; call it without the header Upgrade."
SOCKET_ONLY = "This path is a WebSocket (RFC 6455): it takes the handshake of one, and nothing else."


def status_of(error: StudioError) -> int:
    """HTTP status of an error: that of its nearest base class in the table."""
    for kind in type(error).__mro__:
        if kind in STATUS_OF:
            return STATUS_OF[kind]
    return 500


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    instance: str,
    request_id: str,
    fields: Sequence[tuple[str, str]] = (),
    members: dict[str, Any] | None = None,
) -> bytes:
    """The JSON of one problem."""
    body = {
        "type": f"urn:model-studio:problem:{code}",
        "title": TITLES.get(status, "The request failed"),
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": request_id,
        "errors": [{"pointer": pointer, "message": message} for pointer, message in fields],
    }
    return orjson.dumps((members or {}) | body, default=str, option=orjson.OPT_NON_STR_KEYS)


def answer_problem(status: int, code: str, detail: str, **more: Any) -> Response:
    """A response with a problem body for the request being answered."""
    other = in_other_words(request.path, status, detail, more.get("fields", ()))
    if other is not None:
        return Response(other[1], other[0], mimetype="application/json")
    body = problem(status, code, detail, instance=request.path, request_id=current_origin().request_id, **more)
    return Response(body, status, mimetype="application/problem+json")


def answer_error(error: StudioError) -> Response:
    """The response for an error raised on purpose."""
    response = answer_problem(status_of(error), error.code, str(error), fields=error.fields, members=error.details)
    response.headers.update(headers_of(error))
    note_refusal(error, current_origin(), current_actor())
    return response


def headers_of(error: StudioError) -> dict[str, str]:
    """The headers that go with an error: how to sign in, when to come back, which WebSockets are spoken."""
    headers = {}
    if status_of(error) == 401:
        invalid = ', error="invalid_token"' if error.code != "token_missing" else ""
        headers["WWW-Authenticate"] = f'Bearer realm="model-studio"{invalid}'
    if isinstance(error, errors.NoHandshake):
        headers["Sec-WebSocket-Version"] = "13"
    retry_after_s = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return headers


def fields_of(error: ValidationError, *, as_pointers: bool) -> list[tuple[str, str]]:
    """Every fault of a schema as (pointer, message); parameters keep their bare names."""
    found: list[tuple[str, str]] = []
    _collect(error.normalized_messages(), (), found)  # type: ignore[no-untyped-call]
    if as_pointers:
        return [("".join(f"/{escape(part)}" for part in path if part != "_schema"), text) for path, text in found]
    return [(str(path[0]) if path else "", text) for path, text in found]


def _collect(messages: Any, path: tuple[str, ...], found: list[Any]) -> None:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            _collect(inner, (*path, str(key)), found)
    else:
        for text in messages if isinstance(messages, list) else [messages]:
            found.append((path, _plain(str(text))))


def _plain(message: str) -> str:
    known = {
        "Unknown field.": "unknown field",
        "Missing data for required field.": "is required",
        "Field may not be null.": "must not be null",
        "Not a valid string.": "must be a text",
        "Not a valid list.": "must be a list",
        "Not a valid integer.": "must be a whole number",
        "Not a valid boolean.": "must be true or false",
        "Not a valid mapping type.": "must be an object",
        "Invalid input type.": "must be an object",
    }
    return known.get(message, message)


def _asks_for_socket() -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def install_errors(app: Flask) -> None:
    """Answer every failure of an application with a problem body."""

    @app.errorhandler(StudioError)
    def on_purpose(error: StudioError) -> Response:
        return answer_error(error)

    @app.errorhandler(HTTPException)
    def of_flask(error: HTTPException) -> Response:
        status = error.code or 500
        code = HTTP_CODES.get(status, "malformed_body" if 400 <= status < 500 else "internal_error")
        if isinstance(error, WebsocketMismatch | MethodNotAllowed) and _asks_for_socket():
            return answer_problem(404, "not_found", NO_SOCKET)
        if isinstance(error, WebsocketMismatch):
            return answer_problem(422, code, SOCKET_ONLY)
        if isinstance(error, RequestEntityTooLarge):
            return answer_problem(413, code, "The body is larger than this operation takes.")
        response = answer_problem(422 if status == 400 else status, code, error.description or TITLES.get(status, ""))
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            logger.error("disk full", exc_info=error)
            return answer_error(
                errors.BackendDown("The disk of the service is full; nothing was kept.", retry_after_s=60)
            )
        logger.error("unexpected failure", exc_info=error)
        return answer_problem(500, "internal_error", "Something went wrong here; the request id finds it in the log.")
