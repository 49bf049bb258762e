"""The first rows of a typed table, and values of it as JSON."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq


def preview(path: Path | BinaryIO, limit: int) -> list[dict[str, Any]]:
    """The first rows in file order, ready for JSON.

    Args:
        path: A typed Parquet file, or one that is open; it stays open.
        limit: Most rows, 1 or more.
    """
    rows: list[dict[str, Any]] = []
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=limit):
            rows += batch.slice(0, limit - len(rows)).to_pylist()
            if len(rows) >= limit:
                break
    return [{name: to_json(value) for name, value in row.items()} for row in rows]


def to_json(value: Any) -> Any:
    """A value as JSON can hold it: NaN and infinity are None, times ISO 8601 UTC to the second with ``Z``."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        instant = value if value.tzinfo else value.replace(tzinfo=UTC)
        return instant.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    return value
