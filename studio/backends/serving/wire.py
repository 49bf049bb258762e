"""How rows and predictions travel between processes: as JSON, whatever types a model or a caller uses."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import orjson

Rows = list[dict[str, Any]]
OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
MISSING = ("NaTType", "NAType")  # of pandas, which is not imported here: the API has no other need of it


def to_json(value: Any) -> bytes:
    """Encode, with NaN, infinities and missing values of any kind as null, and dates in ISO 8601.

    Raises:
        TypeError: An integer has more than 64 bits, or a text holds half a character.
    """
    return orjson.dumps(value, default=_other, option=OPTIONS)


def as_texts(values: Iterable[Any]) -> list[str | None]:
    """Values of several kinds as text: texts and missing ones as they are, all others as JSON."""
    return [value if value is None or isinstance(value, str) else orjson.dumps(value).decode() for value in values]


def _other(value: Any) -> Any:
    """What orjson does not know by itself."""
    if type(value).__name__ in MISSING:
        return None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return list(value)
    return str(value)
