"""Reads what a request sends and what it accepts: media types, sizes, parameters, body."""

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import orjson
from flask import g, request
from marshmallow import Schema, ValidationError

from studio.domain.tensors import NO_BINARY
from studio.errors import InvalidInput, MalformedBody, NotAcceptable, TooLarge, UnsupportedMediaType
from studio.web.errors import fields_of
from studio.web.operation import JSON, MULTIPART, EmptyBody, Operation

JSON_LIMIT_BYTES = 10 << 20
NESTING_LIMIT = 100  # far beyond what anything here takes; Python's own limit would come as a fault of the service
WHOLES = (list, dict)
FORM_SLACK_BYTES = 1 << 20  # boundaries and the text fields around a file


@dataclass(frozen=True)
class FileBody:
    """A body that is a file, as it was sent."""

    media_type: str
    content: bytes


def negotiate(operation: Operation) -> str:
    """The media type to answer with.

    Raises:
        NotAcceptable: The caller takes none of those there are.
    """
    offers = operation.offers
    if not request.headers.get("Accept"):
        return offers[0]
    chosen = request.accept_mimetypes.best_match(offers)
    if chosen is None and operation.status != 204:
        raise NotAcceptable(f"This operation answers {', '.join(offers)} only.")
    return chosen or offers[0]


def load_query(operation: Operation) -> dict[str, Any]:
    """The parameters, checked.

    Raises:
        InvalidInput: One is out of its bounds; names each.
    """
    assert operation.query is not None
    try:
        loaded: dict[str, Any] = operation.query.load(request.args.to_dict())
    except ValidationError as error:
        raise _refusal(error, as_pointers=False) from error
    return loaded


def load_body(operation: Operation, file_limit_bytes: int, *, is_hashed: bool) -> tuple[Any, str]:
    """The body, checked, and the SHA-256 of what was sent; the time it takes is kept for ``seconds_of_reading``.

    Args:
        operation: What is asked for.
        file_limit_bytes: Most bytes of a file in a form.
        is_hashed: False gives no SHA-256, which of a large file takes seconds.

    Raises:
        TooLarge: It has more bytes than the operation takes.
        UnsupportedMediaType: It is neither JSON nor, where one is taken, a form.
        MalformedBody: It cannot be read.
        InvalidInput: A field is wrong; names each.
    """
    if operation.form is not None and request.mimetype == MULTIPART:
        request.max_content_length = file_limit_bytes + FORM_SLACK_BYTES
        form = _load(operation.form, request.form.to_dict() | request.files.to_dict())
        return form, _hash_of_form() if is_hashed else ""
    begun = time.perf_counter()
    request.max_content_length = JSON_LIMIT_BYTES
    if (request.content_length or 0) > JSON_LIMIT_BYTES:
        raise TooLarge(f"This body may have {JSON_LIMIT_BYTES} bytes.")
    raw = request.get_data(cache=False)
    body_hash = hashlib.sha256(raw).hexdigest() if is_hashed else ""
    if request.mimetype in operation.files:
        return FileBody(request.mimetype, raw), body_hash
    takes = [kind for kind, schema in ((JSON, operation.body), (MULTIPART, operation.form)) if schema]
    takes += operation.files
    if operation.error_form == "open_inference" and "Inference-Header-Content-Length" in request.headers:
        raise MalformedBody(NO_BINARY)
    is_untold = operation.error_form == "open_inference" and not request.mimetype  # as Triton's client sends its JSON
    if raw and request.mimetype != JSON and not is_untold:
        raise UnsupportedMediaType(f"Send {' or '.join(takes or [JSON])}, not {request.mimetype or 'an unnamed type'}.")
    if operation.body is None and operation.form is not None:
        raise UnsupportedMediaType(f"Send {MULTIPART}.")
    try:
        document = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from error
    if _nests_deeper_than(NESTING_LIMIT, document):
        raise MalformedBody(f"The body nests lists and objects more than {NESTING_LIMIT} deep.")
    loaded = _load(operation.body or EmptyBody(), document)
    g.studio_reading_s = time.perf_counter() - begun
    return loaded, body_hash


def seconds_of_reading() -> float:
    """How long the JSON body of the request took to be read."""
    seconds: float = g.get("studio_reading_s", 0.0)
    return seconds


def etag_matches(header: str | None, etag: str) -> bool:
    """Whether an If-Match or If-None-Match header names a strong ETag (given with its quotes); weak ones never do."""
    names = [name.strip() for name in (header or "").split(",")]
    return "*" in names or etag in names


def _nests_deeper_than(limit: int, document: Any) -> bool:
    level = [document]
    for _ in range(limit + 1):
        level = [part for part in level if isinstance(part, WHOLES)]
        if not level:
            return False
        level = [part for whole in level for part in (whole.values() if isinstance(whole, dict) else whole)]
    return True


def _load(schema: Schema, document: Any) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        raise _refusal(error, as_pointers=True) from error
    return loaded


def _refusal(error: ValidationError, *, as_pointers: bool) -> InvalidInput:
    faults = fields_of(error, as_pointers=as_pointers)
    counted = "1 field was refused" if len(faults) == 1 else f"{len(faults)} fields were refused"
    return InvalidInput(counted, fields=faults)


def _hash_of_form() -> str:
    digest = hashlib.sha256()
    for name, value in sorted(request.form.items()):
        digest.update(f"{name}={len(value)}:{value};".encode())
    for name, file in sorted(request.files.items()):
        content = hashlib.file_digest(file.stream, "sha256").hexdigest()  # type: ignore[arg-type]
        file.stream.seek(0)
        digest.update(f"{name}={file.filename}:{content};".encode())
    return digest.hexdigest()
