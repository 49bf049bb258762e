"""Whether rows fit the columns a version takes."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from studio.backends.mlflow.model_files import ModelColumn
from studio.errors import InvalidInputs

INT32: Final = 2**31
INT64: Final = 2**63


def check_inputs(inputs: Mapping[str, Any], columns: Sequence[ModelColumn], *, at: str) -> None:
    """Refuse a row that a version was not made for.

    Args:
        inputs: Feature name -> JSON value; None is a missing one and fits every column.
        columns: What the version takes.
        at: JSON pointer to the row in the body.

    Raises:
        InvalidInputs: A feature is missing or unknown or of a wrong type; names each.
    """
    known = {column.name: column for column in columns}
    faults = [(name, "is required") for name, column in known.items() if column.required and name not in inputs]
    for name, value in inputs.items():
        column = known.get(name)
        fault = "unknown feature" if column is None else _find_fault(column.type, value)
        if fault is not None:
            faults.append((name, fault))
    if faults:
        counted = "1 feature was refused" if len(faults) == 1 else f"{len(faults)} features were refused"
        raise InvalidInputs(counted, fields=[(f"{at}/{_escape(name)}", fault) for name, fault in faults])


def _find_fault(kind: str, value: Any) -> str | None:
    check = _CHECKS.get(kind)
    return None if value is None or check is None else check(value)


def _check_number(value: Any) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number and math.isfinite(value) else "must be a number"


def _check_whole(limit: int) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if _check_number(value) is not None or value != int(value):
            return "must be a whole number"
        return None if -limit <= value < limit else f"must be between {-limit} and {limit - 1}"

    return check


def _check_text(value: Any) -> str | None:
    return None if isinstance(value, str) else "must be a text"


def _check_truth(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _check_time(value: Any) -> str | None:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return "must be a time such as 2026-05-03T07:00:00Z, or a date"
    return None


_CHECKS: Final[dict[str, Callable[[Any], str | None]]] = {
    "integer": _check_whole(INT32),
    "long": _check_whole(INT64),
    "float": _check_number,
    "double": _check_number,
    "string": _check_text,
    "boolean": _check_truth,
    "datetime": _check_time,
}


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
