"""Whether single cells are of the type of their column, and quickly whether all cells of a column are."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from studio.backends.mlflow.model_files import ModelColumn
from studio.tabular.written import Readable, WrittenNumber

INT32: Final = 2**31
INT64: Final = 2**63

Check = Callable[[Any], str | None]


def find_fault(column: ModelColumn, value: Any) -> str | None:
    """What is wrong with a value for a column, None where nothing is; None itself is a missing value of any column.

    Args:
        column: What the version takes; of types that are not known here every value is right.
        value: From JSON.
    """
    check = _CHECKS.get(column.type)
    if value is None or check is None:
        return None
    if column.written is None or not isinstance(value, str):
        return check(value)
    if _is_written_so(value, column.written) or (column.type == "datetime" and check(value) is None):
        return None
    return f"must be a {'time' if column.type == 'datetime' else 'number'}, or text such as {column.written.example()}"


def are_right(column: ModelColumn, values: Sequence[Any]) -> bool:
    """True when all values of a column are right beyond doubt; False says nothing."""
    kind = column.type
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if not kinds or kind not in _CHECKS:
        return True
    if kind in _LIMITS:
        return kinds == {int} and _are_within(values, _LIMITS[kind])
    if kind in ("float", "double"):
        return kinds <= {int, float} and _are_finite(values)
    if kind == "datetime":
        return kinds == {str} and all(_check_time(value) is None for value in set(values) if value is not None)
    return kinds == {str if kind == "string" else bool}


def _is_written_so(text: str, written: Readable) -> bool:
    if isinstance(written, WrittenNumber):
        return math.isfinite(written.read(text))
    read = written.read(text)
    return read is not None and _check_time(read) is None


def _are_within(values: Iterable[Any], limit: int) -> bool:
    numbers = [value for value in values if value is not None]
    return bool(-limit <= min(numbers) and max(numbers) < limit)


def _are_finite(values: Iterable[Any]) -> bool:
    try:
        return math.isfinite(sum(value for value in values if value is not None))
    except OverflowError:
        return False


def _check_number(value: Any) -> str | None:
    kind = type(value)
    return None if (kind is float or kind is int) and _is_finite(value) else "must be a number"


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond what a float holds
        return False


def _check_whole(limit: int) -> Check:
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


_LIMITS: Final = {"integer": INT32, "long": INT64}
_CHECKS: Final[dict[str, Check]] = {
    "integer": _check_whole(INT32),
    "long": _check_whole(INT64),
    "float": _check_number,
    "double": _check_number,
    "string": _check_text,
    "boolean": _check_truth,
    "datetime": _check_time,
}
