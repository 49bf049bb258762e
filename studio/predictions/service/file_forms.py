"""Rows in the file a request sends: CSV with a header line, or Parquet."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from studio.backends.mlflow.model_files import ModelColumn
from studio.errors import InvalidInput, InvalidInputs, MalformedBody, TooLarge
from studio.predictions.service.input_schema import MAX_FAULTS, GivenColumns
from studio.predictions.service.json_forms import check_row_count

CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"
DELIMITERS: Final = (",", ";", "\t")
MAX_UNPACKED_BYTES: Final = 256 << 20
# What stands for a missing value in datasets too.
MISSING: Final = frozenset(("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None"))
TRUTH: Final = {"true": True, "false": False}


def read_csv(raw: bytes, known: Mapping[str, ModelColumn]) -> GivenColumns:
    """The rows below the header line of a CSV file.

    Args:
        raw: The file, in UTF-8; its delimiter is a comma, a semicolon or a tab.
        known: The columns of the version by name: values are read as these are.

    Raises:
        MalformedBody: It is not such a file.
        InvalidInput: It has no rows, or a column twice.
        TooLarge: More than 10 000 rows.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The CSV file is not in UTF-8: byte {error.start + 1} cannot be read.") from error
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=lambda mark: len(known.keys() & _split(first, mark)))
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise MalformedBody(f"The CSV file cannot be read: {error}.") from error
    header, rows = (lines[0], lines[1:]) if lines else ([], [])
    if len(header) > 1:
        rows = [row for row in rows if row]  # empty lines; in a file of one column they are missing values
    _check_names(header)
    check_row_count(len(rows), "header" if not header else "row 1")
    uneven = [number for number, row in enumerate(rows, 1) if len(row) != len(header) and (row or len(header) > 1)]
    if uneven:
        faults = [(f"row {number}", f"must have {len(header)} values, as the header") for number in uneven[:MAX_FAULTS]]
        raise InvalidInputs(f"{len(uneven)} rows were refused", fields=faults)
    cells = zip(*(row or [""] for row in rows), strict=True)
    columns = {name: read_texts(known.get(name), texts) for name, texts in zip(header, cells, strict=True)}
    return GivenColumns(columns, len(rows), _place)


def read_parquet(raw: bytes) -> GivenColumns:
    """The rows of a Parquet file.

    Raises:
        MalformedBody: It is none, or holds nested columns.
        InvalidInput: It has no rows, or a column twice.
        TooLarge: More than 10 000 rows, or too much once unpacked.
    """
    try:
        with pq.ParquetFile(io.BytesIO(raw)) as file:
            _check_names(file.schema_arrow.names)
            check_row_count(file.metadata.num_rows, "row 1")
            groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
            if sum(group.total_byte_size for group in groups) > MAX_UNPACKED_BYTES:
                raise TooLarge(f"The Parquet file has more than {MAX_UNPACKED_BYTES >> 20} MB once unpacked.")
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise MalformedBody("The body is no Parquet file, or a broken one.") from error
    nested = [field.name for field in table.schema if pa.types.is_nested(field.type)]
    if nested:
        raise MalformedBody(f"Column {nested[0]!r} is nested; a row holds plain values only.")
    columns = {
        name: list(map(_plain, column.to_pylist()))
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return GivenColumns(columns, table.num_rows, _place)


def _place(row: int | None, name: str) -> str:
    return f"header, {name}" if row is None else f"row {row + 1}, {name}"


def _split(line: str, delimiter: str) -> set[str]:
    return set(next(csv.reader([line.rstrip("\r")], delimiter=delimiter), []))


def _check_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InvalidInput("A column stands twice", fields=[(f"header, {name}", "stands twice") for name in twice])


def read_texts(column: ModelColumn | None, texts: Sequence[str]) -> list[Any]:
    """Texts as values of a column; what cannot be read stays a text, for the check to name.

    Numbers and times that training found written in a way of their own stay texts too: the model reads them.
    """
    kind = "string" if column is None or column.written is not None else column.type
    read_all = _QUICK_READERS.get(kind)
    if read_all is not None:
        try:
            numbers = list(map(read_all, texts))
            if math.isfinite(sum(numbers)):
                return numbers
        except (ValueError, OverflowError):
            pass  # some are missing, or no numbers
    read = _READERS.get(kind, str)
    values = {text: _read_text(read, text) for text in set(texts)}
    return [values[text] for text in texts]


def _read_text(read: Callable[[str], Any], text: str) -> Any:
    if text in MISSING or text.strip() in MISSING:
        return None
    try:
        return read(text)
    except (ValueError, KeyError):
        return text


def _read_number(text: str) -> float | None:
    number = float(text)
    return number if number - number == 0 else None  # infinities are missing, as in datasets


def _read_whole(text: str) -> float | None:
    try:
        return int(text)
    except ValueError:
        return _read_number(text)


def _read_truth(text: str) -> bool:
    return TRUTH[text.strip().lower()]


def _plain(value: Any) -> Any:
    """A value of Parquet as JSON has it."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value


_QUICK_READERS: Final[Mapping[str, Callable[[str], float]]] = {
    "integer": int, "long": int, "float": float, "double": float,
}  # fmt: skip
_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "integer": _read_whole,
    "long": _read_whole,
    "float": _read_number,
    "double": _read_number,
    "boolean": _read_truth,
    "datetime": str.strip,
}
