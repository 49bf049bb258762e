"""What is known of a table once it has been read."""

import enum
from dataclasses import dataclass


class ColumnType(enum.StrEnum):
    """What the values of a column are; the typed Parquet file stores them as noted.

    NUMBER is int64 or double, CATEGORY and TEXT are strings, BOOLEAN is bool, DATETIME is a timestamp in
    microseconds, UTC.
    """

    NUMBER = "number"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    TEXT = "text"


class TableFormat(enum.StrEnum):
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Column:
    name: str
    type: ColumnType


@dataclass(frozen=True)
class Table:
    """A table that was read in full.

    Attributes:
        format: Of the original, after decompression.
        rows: Number of rows, 1 or more.
        columns: In the order of the file, 1 or more, names unique.
        size_bytes: Of the decompressed original.
        fingerprint: SHA-256 of the decompressed original, 64 hex digits.
    """

    format: TableFormat
    rows: int
    columns: tuple[Column, ...]
    size_bytes: int
    fingerprint: str
