"""What an operation declares, and its entry in the OpenAPI document."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, fields

from studio.domain.permissions import ANY_ROLE, AUTHENTICATED, Needs

JSON = "application/json"
MULTIPART = "multipart/form-data"


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


class EmptyBody(Schema):
    """Body of an operation that takes none: nothing, or ``{}``."""


@dataclass(frozen=True)
class Operation:
    """One operation, as its decorator declares it.

    Attributes:
        id: Operation id of the API, such as ``model.create``.
        needs: Permission.
        audit: Audit action of a call that changes something; None where nothing changes.
        writes: True when it may change own tables.
        status: HTTP status of success.
        query: Schema of the parameters.
        body: Schema of a JSON body.
        form: Schema of a multipart body, where one is taken.
        returns: Schema of the answer; None answers no body, or what the view itself makes.
        returns_or: Schema of another form the answer can be asked for in; ``returns`` lets it through.
        is_list: True when the answer is a bare list.
        location: Template of ``Location``, filled from the answer.
        has_etag: True when the answer carries a strong ETag.
        current: View that reads what this operation changes, for ``If-Match``, or the operation id of another room's.
        or_where: Lets in a caller whom ``needs`` refuses, given the open stores and the parameters of the path.
        makes_model: True when it makes another model: ``model:write`` must then be held in the organization, as a role
            on the model of the path says nothing of new ones.
        renders: Further media types of the answer, each with the view that makes its bytes.
    """

    id: str
    method: str
    path: str
    needs: Needs
    audit: str | None
    writes: bool
    status: int
    query: Schema | None = None
    body: Schema | None = None
    form: Schema | None = None
    returns: Schema | None = None
    returns_or: Schema | None = None
    is_list: bool = False
    location: str | None = None
    has_etag: bool = False
    current: Callable[..., Any] | str | None = None
    or_where: Callable[..., bool] | None = None
    makes_model: bool = False
    renders: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    media_types: tuple[str, ...] = (JSON,)

    @property
    def takes_body(self) -> bool:
        """True for the methods that carry one."""
        return self.method in ("POST", "PUT", "PATCH")

    @property
    def parameters(self) -> list[str]:
        """Names of the path's parameters, in order."""
        return re.findall(r"<(?:\w+:)?(\w+)>", self.path)

    @property
    def offers(self) -> tuple[str, ...]:
        """Media types of the answer, the default first."""
        return (*self.media_types, *self.renders)


def describe(operation: Operation, view: Callable[..., Any]) -> dict[str, Any]:
    """The operation's entry in the OpenAPI document."""
    text = (view.__doc__ or "").strip()
    entry: dict[str, Any] = {
        "operationId": operation.id,
        "summary": text.split("\n", 1)[0],
        "description": _tell(operation, text.partition("\n")[2]),
        "parameters": [
            {"in": "path", "name": name, "required": True, "schema": {"type": "string"}}
            for name in operation.parameters
        ],
        "responses": {str(operation.status): _success(operation)},
        "security": [] if operation.needs.is_public else [{"bearer": []}],
    }
    entry["responses"]["default"] = {
        "description": "Why it was refused",
        "content": {"application/problem+json": {"schema": ProblemOut}},
    }
    if operation.query is not None:
        entry["parameters"].append({"in": "query", "schema": operation.query})
    if operation.has_etag and operation.method == "GET":
        entry["responses"]["304"] = {"description": "Unchanged since the ETag given in If-None-Match"}
    content: dict[str, Any] = {}
    if operation.body is not None:
        content[JSON] = {"schema": operation.body}
        if operation.body.fields:
            content[JSON]["example"] = example_of(operation)
    if operation.form is not None:
        content[MULTIPART] = {"schema": operation.form}
    if content:
        required = operation.form is not None or any(item.required for item in _fields_of(operation.body))
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
    answer: dict[str, Any] = {"description": "Done", "headers": {}}
    if operation.returns is not None:
        schema: Any = operation.returns
        if operation.is_list:
            schema = {"type": "array", "items": operation.returns}
        if operation.returns_or is not None:
            schema = {"oneOf": [operation.returns, operation.returns_or]}
        answer["content"] = {JSON: {"schema": schema}}
    elif operation.status != 204:
        answer["content"] = {kind: {"schema": {"type": "string"}} for kind in operation.media_types}
    for kind in operation.renders:
        binary = {"type": "string", "format": "binary"}
        answer.setdefault("content", {})[kind] = {"schema": binary}
    if operation.location:
        answer["headers"]["Location"] = {"schema": {"type": "string"}}
    if operation.has_etag:
        answer["headers"]["ETag"] = {"schema": {"type": "string"}}
    if not answer["headers"]:
        del answer["headers"]
    return answer
