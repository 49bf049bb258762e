"""An operation's entry in the OpenAPI document."""

from collections.abc import Callable
from typing import Any

from marshmallow import Schema

from studio.domain.permissions import ANY_ROLE, AUTHENTICATED
from studio.web.components import headers_named, parameters_of, refusals_of
from studio.web.operation import JSON, MULTIPART, Operation


def describe(operation: Operation, view: Callable[..., Any]) -> dict[str, Any]:
    """The entry, without its links: they need all operations."""
    text = (view.__doc__ or "").strip()
    entry: dict[str, Any] = {
        "operationId": operation.id,
        "summary": text.split("\n", 1)[0],
        "description": _tell(operation, text.partition("\n")[2]),
        "parameters": [
            {"in": "path", "name": name, "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in operation.parameters
        ],
        "responses": {str(operation.status): _success(operation), **refusals_of(operation)},
        "security": [] if operation.needs.is_public else [{"bearer": []}],
    }
    if operation.query is not None:
        entry["parameters"].append({"in": "query", "schema": operation.query})
    entry["parameters"] += parameters_of(operation)
    for status in operation.same_at:
        entry["responses"][str(status)] = {**_success(operation), "description": "The same, and not well"}
    if operation.has_etag and operation.method == "GET":
        entry["responses"]["304"] = {
            "description": "Unchanged since the ETag given in If-None-Match",
            "headers": headers_named("RequestId", "ETag"),
        }
    content: dict[str, Any] = {}
    if operation.body is not None:
        content[JSON] = {"schema": operation.body}
        if operation.body.fields:
            content[JSON]["example"] = example_of(operation)
    if operation.form is not None:
        content[MULTIPART] = {"schema": operation.form}
    for kind in operation.files:
        content[kind] = {"schema": {"type": "string", "format": "binary"}}
    if content:
        required = bool(operation.form or operation.files) or any(item.required for item in _fields_of(operation.body))
        entry["requestBody"] = {"content": content, "required": required}
    return entry


def example_of(operation: Operation) -> dict[str, Any]:
    """A body the operation takes: the ``example`` of its schema.

    Raises:
        TypeError: The schema has none.
    """
    example: dict[str, Any] | None = getattr(operation.body, "example", None)
    if example is None:
        raise TypeError(f"{operation.id} takes a body: give {type(operation.body).__name__} an example")
    return example


def _tell(operation: Operation, more: str) -> str:
    """What a caller must hold, and what the operation leaves behind, in Markdown."""
    needs = " or ".join(" and ".join(_need(part) for part in sorted(parts)) for parts in operation.needs.alternatives)
    told = [" ".join(more.split()), "Open to everybody." if operation.needs.is_public else f"Needs {needs}."]
    if operation.audit:
        told.append(f"Leaves the audit entry `{operation.audit}`.")
    if operation.renders:
        told.append(f"Drawn where `Accept` asks for {' or '.join(f'`{kind}`' for kind in operation.renders)}.")
    if operation.has_etag and operation.method == "GET":
        told.append("Answers 304 to an `If-None-Match` that holds its `ETag`.")
    if operation.method == "POST":
        told.append("Safe to repeat with an `Idempotency-Key`.")
    elif operation.method != "GET" and operation.current is not None:
        told.append("Honours `If-Match`.")
    return "\n\n".join(part for part in told if part)


def _need(part: str) -> str:
    """A requirement as people say it."""
    words = {
        AUTHENTICATED: "any valid token",
        ANY_ROLE: "a role on any model",
        "manage": "the role admin or owner on the model",
        "owner": "the role owner on the model",
    }
    return words.get(part, f"`{part}`")


def _fields_of(schema: Schema | None) -> list[Any]:
    return list(schema.fields.values()) if schema is not None else []


def _success(operation: Operation) -> dict[str, Any]:
    headers = ["RequestId"]
    headers += ["Location"] if operation.location else []
    headers += ["ETag"] if operation.has_etag else []
    headers += ["Replayed"] if operation.method == "POST" else []
    answer: dict[str, Any] = {"description": "Done", "headers": headers_named(*headers)}
    if operation.returns is not None:
        schema: Any = operation.returns
        if operation.is_list:
            schema = {"type": "array", "items": operation.returns}
        if operation.returns_or is not None:
            schema = {"oneOf": [operation.returns, operation.returns_or]}
        answer["content"] = {JSON: {"schema": schema}}
    if operation.status != 204:
        for kind in operation.media_types:
            answer.setdefault("content", {}).setdefault(kind, {"schema": {"type": "string"}})
    for kind in operation.renders:
        binary = {"type": "string", "format": "binary"}
        answer.setdefault("content", {})[kind] = {"schema": binary}
    return answer
