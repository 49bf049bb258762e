"""Rules about several fields of a body at once, as JSON Schema: a schema has one as its ``rule``.

They only tell; what refuses a body is the schema's own check.
"""

from collections.abc import Mapping
from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
NULL: dict[str, Any] = {"type": "null"}
ABSENT: dict[str, Any] = {"not": {}}


def any_of(*names: str) -> dict[str, Any]:
    """At least one of these fields is given."""
    return {"anyOf": [{"required": [name]} for name in names]}


def by_value(name: str, cases: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What else is given depends on the value of one field.

    Args:
        name: The field.
        cases: For each of its values what other fields must be: ``TEXT`` given as one, ``NULL`` that or left out,
            ``ABSENT`` left out.
    """
    return {"oneOf": [_branch(name, value, others) for value, others in cases.items()]}


def _branch(name: str, value: str, others: Mapping[str, Any]) -> dict[str, Any]:
    given = [other for other, form in others.items() if form not in (NULL, ABSENT)]
    return {
        "type": "object",
        "properties": {name: {"const": str(value)}, **others},
        "required": [name, *given],
    }
