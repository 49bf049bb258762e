"""JSON in the one form that hashes can be taken of: RFC 8785, with I-JSON (RFC 7493) for what it has no form for.

A JSON number is a double there. A whole number that a double does not hold exactly (beyond 2^53 - 1) is written as a
text of its digits, as RFC 7493 recommends; a number that is none becomes null, half of a surrogate pair ``?``.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import orjson
import rfc8785

GREATEST = 2**53 - 1


def simplify(value: Any) -> Any:
    """A value that ``write`` takes, and that ``read`` gives back as it is.

    Args:
        value: JSON-ready: mappings, lists, tuples, texts, numbers, booleans, None, moments, enumerations.

    Raises:
        TypeError: It holds something else.
    """
    return orjson.loads(orjson.dumps(_simplify(value), option=orjson.OPT_NON_STR_KEYS))


def write(value: Any) -> str:
    """The canonical text of what ``simplify`` gives. Raises ValueError for other numbers and texts."""
    return rfc8785.dumps(value).decode()


def read(text: str) -> Any:
    """What a canonical text says: numbers that are whole and beyond 2^53 - 1 were written from doubles.

    Raises:
        ValueError: It is no JSON.
    """
    return json.loads(text, parse_int=_read_whole, parse_constant=_refuse)


def _simplify(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_simplify_key(key): _simplify(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_simplify(held) for held in value]
    if isinstance(value, str):
        return _simplify_text(str(value))
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > GREATEST:
        return str(value)
    return value


def _simplify_key(key: Any) -> Any:
    return _simplify_text(str(key)) if isinstance(key, str) or type(key) is int else key


def _simplify_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _read_whole(digits: str) -> int | float:
    number = float(digits)
    return int(digits) if math.isfinite(number) and abs(number) <= GREATEST else number


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
