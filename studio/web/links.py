"""Links of the OpenAPI document: what can be done with what an operation answers.

They follow from what operations declare. An answer names a thing where its ``Location`` points, or where it was read;
it is linked to every operation whose path is about that thing and asks for nothing else.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from studio.web.operation import Operation


@dataclass(frozen=True)
class Thing:
    """What an answer names.

    Attributes:
        segments: Of its path; None for a parameter.
        values: Of those parameters, in order, as expressions.
        query: Of the parameters of the query, by name.
    """

    segments: tuple[str | None, ...]
    values: tuple[str, ...]
    query: dict[str, str]


def link(document: dict[str, Any], operations: Iterable[Operation]) -> None:
    """Add the links between the operations of a document."""
    paths = {entry["operationId"]: path for path, item in document["paths"].items() for entry in item.values()}
    known = [operation for operation in operations if operation.id in paths]
    for operation in known:
        path = paths[operation.id]
        links = dict(_links_of(operation, paths))
        if links:
            document["paths"][path][operation.method.lower()]["responses"][str(operation.status)]["links"] = links


def _links_of(operation: Operation, paths: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    thing, is_new = _named_by(operation, paths[operation.id])
    if thing is None:
        return
    for other, where in paths.items():
        if other != operation.id and _is_about(where, thing, or_below=is_new):
            names = re.findall(r"{(\w+)}", where)
            given = {f"path.{name}": value for name, value in zip(names, thing.values, strict=True)}
            given |= {f"query.{name}": value for name, value in thing.query.items()}
            yield other, {"operationId": other, "parameters": given}


def _named_by(operation: Operation, path: str) -> tuple[Thing | None, bool]:
    """The thing an operation's answer names, and whether it was not known from the call."""
    if operation.location is not None and operation.location.startswith("/"):
        template, _, query = operation.location.partition("?")
        return Thing(
            _segments_of(template),
            tuple(_expression(name, operation) for name in re.findall(r"{(\w+)}", template)),
            {name: _expression(value.strip("{}"), operation) for name, value in parse_qsl(query)},
        ), True
    if operation.method == "GET" and operation.has_etag:
        values = tuple(f"$request.path.{name}" for name in operation.parameters)
        return Thing(_segments_of(path), values, {}), False
    return None, False


def _expression(name: str, operation: Operation) -> str:
    """Where the value of a name in a ``Location`` comes from: the body, as far as that holds it."""
    assert operation.returns is not None
    keys = {field.data_key or key for key, field in operation.returns.dump_fields.items()}
    return f"$response.body#/{name}" if name in keys else f"$request.path.{name}"


def _segments_of(path: str) -> tuple[str | None, ...]:
    return tuple(None if part.startswith("{") else part for part in path.split("/"))


def _is_about(path: str, thing: Thing, *, or_below: bool) -> bool:
    segments = _segments_of(path)
    length = len(thing.segments)
    is_near = segments[:length] == thing.segments if or_below else segments == thing.segments
    return is_near and None not in segments[length:]
