"""Whether rows fit the columns a version takes."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from studio.backends.mlflow.model_files import ModelColumn
from studio.errors import InvalidInputs
from studio.tabular.written import Readable, WrittenNumber

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
        fault = "unknown feature" if column is None else _find_fault(column, value)
        if fault is not None:
            faults.append((name, fault))
    if faults:
        counted = "1 feature was refused" if len(faults) == 1 else f"{len(faults)} features were refused"
        raise InvalidInputs(counted, fields=[(f"{at}/{_escape(name)}", fault) for name, fault in faults])


def _find_fault(column: ModelColumn, value: Any) -> str | None:
    check = _CHECKS.get(column.type)
    if value is None or check is None:
        return None
    if column.written is None or not isinstance(value, str):
        return check(value)
    if _is_written_so(value, column.written) or (column.type == "datetime" and check(value) is None):
        return None
    return f"must be a {'time' if column.type == 'datetime' else 'number'}, or text such as {column.written.example()}"


def _is_written_so(text: str, written: Readable) -> bool:
    if isinstance(written, WrittenNumber):
        return math.isfinite(written.read(text))
    read = written.read(text)
    return read is not None and _check_time(read) is None


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
