"""Parquet files of any writer, turned into ours: flat columns of the five types, missing values as null."""

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from studio.errors import DatasetEmpty, DatasetUnreadable
from studio.tabular.csv_layout import check_names
from studio.tabular.csv_values import UTC_TIMESTAMP
from studio.tabular.parquet_writing import write_parquet
from studio.tabular.table import Column, ColumnType
from studio.tabular.text_shape import TextShape

BATCH_CELLS = 1 << 21
LARGEST_INT64 = 2**63 - 1
STRING_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_null,
    pa.types.is_time,
)


@dataclass(frozen=True)
class _Plan:
    """What a column becomes; ``type`` is CATEGORY for strings until their values are seen."""

    name: str
    type: ColumnType
    storage: pa.DataType
    convert: Callable[[pa.Array], pa.Array]


def type_parquet(source: Path, target: Path) -> tuple[int, tuple[Column, ...]]:
    """Turn a Parquet file into a typed Parquet file.

    Whole numbers become int64 (unsigned ones beyond it double), decimals and other numbers double, NaN and
    infinity null, durations seconds, dates and time stamps UTC with microseconds (without a zone they are
    taken to be UTC), dictionaries their values, times of day and columns of nulls strings.

    Args:
        source: Decompressed Parquet.
        target: Parquet file to write.

    Returns:
        The number of rows and the columns.

    Raises:
        DatasetEmpty: No column or no row.
        DatasetUnreadable: Broken, or a column that is nested or binary; with ``column``, its name.
        DuplicateColumns: One entry in ``fields`` for each name that stands more than once.
    """
    try:
        with pq.ParquetFile(source) as file:
            schema = file.schema_arrow
            check_names(schema.names)
            if not schema.names or not file.metadata.num_rows:
                raise DatasetEmpty("The Parquet file holds no rows.")
            plans = [_plan(field, file) for field in schema]
            shapes = [TextShape() for _ in plans]
            typed = pa.schema([(plan.name, plan.storage) for plan in plans])
            rows = write_parquet(_convert(file, plans, shapes, typed), typed, target)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
            raise  # no fault of the file
        raise DatasetUnreadable("The Parquet file is broken or cut short.") from error
    columns = zip(plans, shapes, strict=True)
    return rows, tuple(
        Column(plan.name, shape.type if plan.storage == pa.string() else plan.type) for plan, shape in columns
    )


def _plan(field: pa.Field, file: pq.ParquetFile) -> _Plan:
    """How one column is read; refuses what has no place in a table of plain values."""
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_boolean(kind):
        return _Plan(field.name, ColumnType.BOOLEAN, pa.bool_(), _cast(pa.bool_()))
    if pa.types.is_integer(kind) and (kind != pa.uint64() or _fits_int64(file, field.name)):
        return _Plan(field.name, ColumnType.NUMBER, pa.int64(), _cast(pa.int64()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _Plan(field.name, ColumnType.NUMBER, pa.float64(), _to_double)
    if pa.types.is_duration(kind):
        return _Plan(field.name, ColumnType.NUMBER, pa.float64(), _to_seconds)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _Plan(field.name, ColumnType.DATETIME, UTC_TIMESTAMP, _to_utc)
    if any(is_kind(kind) for is_kind in STRING_TYPES):
        return _Plan(field.name, ColumnType.CATEGORY, pa.string(), _to_string(field.name))
    raise DatasetUnreadable(
        f"Column {field.name!r} is of type {field.type}; a table takes plain values only.", column=field.name
    )


def _convert(
    file: pq.ParquetFile, plans: list[_Plan], shapes: list[TextShape], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The rows as planned, in batches whose size does not depend on the number of columns."""
    batch_rows = max(1, min(1 << 16, BATCH_CELLS // len(plans)))
    for batch in file.iter_batches(batch_size=batch_rows):
        arrays = []
        for plan, shape, values in zip(plans, shapes, batch.columns, strict=True):
            array = plan.convert(_decode(values))
            if plan.storage == pa.string():
                shape.observe(array)
            arrays.append(array)
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _decode(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _cast(storage: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    return lambda values: values.cast(storage)


def _to_double(values: pa.Array) -> pa.Array:
    numbers = values.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))


def _to_seconds(values: pa.Array) -> pa.Array:
    ticks_per_s = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[values.type.unit]
    return pc.divide(values.cast(pa.int64()).cast(pa.float64(), safe=False), float(ticks_per_s))


def _to_utc(values: pa.Array) -> pa.Array:
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s"))
    if values.type.unit == "ns":
        values = values.cast(pa.timestamp("us", tz=values.type.tz), safe=False)
    return values.cast(UTC_TIMESTAMP)


def _to_string(name: str) -> Callable[[pa.Array], pa.Array]:
    def convert(values: pa.Array) -> pa.Array:
        try:
            return values.cast(pa.string())
        except pa.ArrowInvalid as error:
            raise DatasetUnreadable(f"Column {name!r} holds bytes that are not UTF-8 text.", column=name) from error

    return convert


def _fits_int64(file: pq.ParquetFile, name: str) -> bool:
    """Whether an unsigned column can be stored as int64 without loss."""
    for batch in file.iter_batches(columns=[name]):
        largest = pc.max(_decode(batch.column(0))).as_py()
        if largest is not None and largest > LARGEST_INT64:
            return False
    return True
