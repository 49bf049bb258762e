"""What the OpenAPI document says once for every operation: the headers of calls and answers, and the refusals.

Headers that are read leniently have no pattern: an ``X-Request-ID`` that cannot be used is replaced, an ``If-Match``
that names nothing is 412.
"""

from collections.abc import Iterator
from typing import Any

from apispec import APISpec
from marshmallow import Schema, fields

from studio.web.operation import Operation

PROBLEM = "application/problem+json"
KEY_FORM = r"[\x21-\x7e]{1,255}"
TEXT = {"type": "string"}

PARAMETERS: dict[str, dict[str, Any]] = {
    "RequestId": {
        "name": "X-Request-ID",
        "description": "1 to 128 of A-Z, a-z, 0-9, dot, underscore and hyphen; anything else is replaced by an id of "
        "ours. Stands in the answer, in every log line and in the audit entry.",
        "schema": TEXT,
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "description": "1 to 255 visible ASCII characters. The same key and body within 24 hours are answered with the "
        "first answer, and nothing is done again.",
        "schema": {**TEXT, "minLength": 1, "maxLength": 255, "pattern": f"^{KEY_FORM}$"},
    },
    "IfMatch": {
        "name": "If-Match",
        "description": "Strong ETags, or *: the call is done only if the resource has one of them, else it is 412.",
        "schema": TEXT,
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "description": "Strong ETags, or *: the answer is 304 if the resource has one of them.",
        "schema": TEXT,
    },
}
HEADERS: dict[str, dict[str, Any]] = {
    "RequestId": {"description": "The id of this call.", "required": True, "schema": TEXT},
    "ETag": {"description": "Strong tag of the resource as it is now.", "required": True, "schema": TEXT},
    "Location": {"description": "Where the result is read.", "required": True, "schema": TEXT},
    "Replayed": {
        "description": "Only on the kept answer of an earlier call with this Idempotency-Key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Challenge": {"description": "How to sign in: with a bearer token.", "required": True, "schema": TEXT},
    "RetryAfter": {
        "description": "Seconds after which to come back.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "RetryLater": {
        "description": "Seconds after which to come back; only with idempotency_in_progress.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
NAMES = {  # of headers in answers
    "RequestId": "X-Request-ID",
    "ETag": "ETag",
    "Location": "Location",
    "Replayed": "Idempotency-Replayed",
    "Challenge": "WWW-Authenticate",
    "RetryAfter": "Retry-After",
    "RetryLater": "Retry-After",
}
REFUSALS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "default": ("Problem", "Why it was refused or failed", ()),
    "401": ("NoToken", "No valid token", ("Challenge",)),
    "403": ("NotAllowed", "The caller may not do this", ()),
    "404": ("NotFound", "Something the path names is unknown, or may not be seen", ()),
    "406": ("NotAcceptable", "None of the media types asked for is answered here", ()),
    "409": ("Conflict", "In conflict with the present state, with a name or with a call under way", ("RetryLater",)),
    "412": ("Changed", "If-Match names another state of the resource", ()),
    "413": ("TooLarge", "The body is too large", ()),
    "415": ("MediaTypeNotTaken", "The media type of the body is not taken", ()),
    "422": ("NotValid", "Parameters or body are not valid; errors names each fault", ()),
    "429": ("TooMany", "Too many calls, or too much queued work", ("RetryAfter",)),
    "503": ("Unavailable", "Temporarily unable", ("RetryAfter",)),
}


class ProblemFieldOut(Schema):
    pointer = fields.String(required=True)
    message = fields.String(required=True)


class ProblemOut(Schema):
    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True)
    code = fields.String(required=True)
    request_id = fields.String(required=True)
    errors = fields.List(fields.Nested(ProblemFieldOut), required=True)


class ScoringErrorOut(Schema):
    error_code = fields.String(required=True)
    message = fields.String(required=True)


class InferenceErrorOut(Schema):
    error = fields.String(required=True)


SCORING_ERROR, INFERENCE_ERROR = ScoringErrorOut(), InferenceErrorOut()


def register_components(spec: APISpec) -> None:
    """Make them known to a document, to be referred to by name."""
    for name, parameter in PARAMETERS.items():
        spec.components.parameter(name, "header", parameter)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for name, description, headers in REFUSALS.values():
        content = {PROBLEM: {"schema": ProblemOut}}
        spec.components.response(
            name, {"description": description, "headers": headers_named("RequestId", *headers), "content": content}
        )


def headers_named(*names: str) -> dict[str, str]:
    """The headers of an answer as references by their own names."""
    return {NAMES[name]: name for name in names}


def parameters_of(operation: Operation) -> list[str]:
    """The headers an operation reads, as references."""
    read = ["RequestId"]
    if operation.method == "POST":
        read.append("IdempotencyKey")
    if operation.method in ("PUT", "PATCH", "DELETE"):
        read.append("IfMatch")
    if operation.has_etag and operation.method == "GET":
        read.append("IfNoneMatch")
    return read


def refusals_of(operation: Operation) -> dict[str, Any]:
    """The refusals every operation of its kind can give, as references by status; ``default`` stands for its own."""
    if operation.error_form != "problem":
        return _refusals_in_other_words(operation)
    return {status: REFUSALS[status][0] for status in (*sorted(_statuses_of(operation)), "default")}


def _refusals_in_other_words(operation: Operation) -> dict[str, Any]:
    """In both protocols what is wrong with a request is 400."""
    schema = SCORING_ERROR if operation.error_form == "mlflow_scoring" else INFERENCE_ERROR
    statuses = {"400" if status in ("406", "422") else status for status in _statuses_of(operation)}
    if operation.method == "GET":
        statuses -= {"400", "503"}
    content = {"application/json": {"schema": schema}}
    return {
        status: {"description": REFUSALS[status][1] if status in REFUSALS else "The request is not valid",
                 "headers": headers_named("RequestId", *(REFUSALS[status][2] if status in REFUSALS else ())),
                 "content": content}
        for status in (*sorted(statuses), "default")
    }  # fmt: skip


def _statuses_of(operation: Operation) -> Iterator[str]:
    needs = operation.needs
    if not needs.is_public:
        yield from ("401", "503")
        if not operation.is_inference:
            yield "429"
    if needs.names_permissions:
        yield "403"
    if operation.parameters:
        yield "404"
    if operation.status != 204:
        yield "406"
    if operation.method == "POST":
        yield "409"
    if operation.method in ("PUT", "PATCH", "DELETE"):
        yield "412"
    if operation.takes_body:
        yield from ("413", "415")
    if operation.takes_body or operation.query is not None:
        yield "422"
