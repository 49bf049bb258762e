"""CSV files, read in blocks: once as text to find the type of every column, then again to convert it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from studio.errors import DatasetUnreadable
from studio.tabular.csv_columns import ColumnObserver, Conclusion, Habits
from studio.tabular.csv_layout import (
    MAX_RECORD_BYTES,
    Layout,
    explain_fault,
    find_last_record_line,
    read_layout,
    unclosed_quote,
)
from studio.tabular.csv_text import check_text
from studio.tabular.csv_values import convert_column
from studio.tabular.parquet_writing import write_parquet
from studio.tabular.table import Column
from studio.tabular.written import KEY, to_json

# A block has to hold a whole record: the small size keeps memory low, the large one is for long records.
SMALL_BLOCK_BYTES = 8 << 20
LARGE_BLOCK_BYTES = 2 * MAX_RECORD_BYTES


@dataclass(frozen=True)
class _Findings:
    """What the first pass found: what each column is, and the very last value of the file."""

    conclusions: list[Conclusion]
    last_value: str


def type_csv(source: Path, target: Path) -> tuple[int, tuple[Column, ...]]:
    """Turn a CSV file into a typed Parquet file, which keeps with its columns how they were written.

    Args:
        source: Decompressed CSV in UTF-8.
        target: Parquet file to write.

    Returns:
        The number of rows and the columns.

    Raises:
        DatasetEmpty: No header, or nothing below it.
        DatasetUnreadable: Not text, records of unequal length, a column without a name; with ``line`` or
            ``column``.
        DuplicateColumns: One entry in ``fields`` for each name that stands more than once.
    """
    check_text(source)
    layout = read_layout(source)
    block_bytes, found = _find_types(source, layout)
    _check_last_quote(source, layout, found.last_value)
    readings = [conclusion.reading for conclusion in found.conclusions]
    schema = pa.schema([_field(*pair) for pair in zip(layout.names, found.conclusions, strict=True)])
    batches = (
        pa.RecordBatch.from_arrays(
            [convert_column(*pair) for pair in zip(block.columns, readings, strict=True)], schema=schema
        )
        for block in _read_blocks(source, layout, block_bytes)
    )
    rows = write_parquet(batches, schema, target)
    return rows, tuple(Column(*pair) for pair in zip(layout.names, (c.type for c in found.conclusions), strict=True))


def _field(name: str, found: Conclusion) -> pa.Field:
    metadata = None if found.written is None else {KEY: to_json(found.written)}
    return pa.field(name, pa.string() if found.reading is None else found.reading.storage, metadata=metadata)


def _find_types(source: Path, layout: Layout) -> tuple[int, _Findings]:
    """The block size that suits the file, and what a pass with it finds."""
    try:
        return SMALL_BLOCK_BYTES, _observe(source, layout, SMALL_BLOCK_BYTES)
    except pa.ArrowInvalid as error:
        if "block size" not in str(error):
            raise _explain(source, layout, error) from error
    try:
        return LARGE_BLOCK_BYTES, _observe(source, layout, LARGE_BLOCK_BYTES)
    except pa.ArrowInvalid as error:
        raise _explain(source, layout, error) from error


def _explain(source: Path, layout: Layout, error: pa.ArrowInvalid) -> DatasetUnreadable:
    """Our error for the parser's, with the line where it can be found."""
    if fault := explain_fault(source, layout):
        return fault
    if "block size" in str(error):
        return DatasetUnreadable(f"A record is longer than {MAX_RECORD_BYTES >> 20} MiB.")
    return DatasetUnreadable(f"The file cannot be read as CSV: {error}")


def _observe(source: Path, layout: Layout, block_bytes: int) -> _Findings:
    """Let an observer see every value of every column."""
    observers = [ColumnObserver(layout.delimiter) for _ in layout.names]
    last_value = ""
    for block in _read_blocks(source, layout, block_bytes):
        for observer, values in zip(observers, block.columns, strict=True):
            observer.observe(values)
        if block.num_rows:
            last_value = block.columns[-1][-1].as_py()
    habits = Habits.of(observers)
    return _Findings([observer.conclude(habits) for observer in observers], last_value)


def _check_last_quote(source: Path, layout: Layout, last_value: str) -> None:
    """Refuse a last value whose quote is never closed, which the parser takes with all that follows."""
    if "\n" not in last_value and "\r" not in last_value:
        return
    with source.open("rb") as file:
        file.seek(-min(source.stat().st_size, len(last_value) + 4), 2)
        is_closed = file.read().rstrip(b"\r\n").endswith(b'"')
    if not is_closed:
        raise unclosed_quote(find_last_record_line(source, layout))


def _read_blocks(source: Path, layout: Layout, block_bytes: int) -> Iterator[pa.RecordBatch]:
    """The records below the header in file order, every column as strings."""
    positions = [str(position) for position in range(len(layout.names))]
    with pa.OSFile(str(source)) as file:
        file.seek(layout.data_offset)
        yield from pa.csv.open_csv(
            file,
            read_options=pa.csv.ReadOptions(block_size=block_bytes, column_names=positions),
            parse_options=pa.csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(check_utf8=False, column_types=dict.fromkeys(positions, pa.string())),
        )
