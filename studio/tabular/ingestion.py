"""An uploaded file on its way to a typed table."""

from collections.abc import Callable
from pathlib import Path

from studio.errors import DatasetEmpty
from studio.tabular.content import detect_format, unpack
from studio.tabular.csv_reading import type_csv
from studio.tabular.parquet_reading import type_parquet
from studio.tabular.table import Column, Table, TableFormat

Typed = tuple[TableFormat, int, tuple[Column, ...]]


def type_table(original: Path, target: Path) -> Typed:
    """Turn a decompressed table, whose content tells its format, into a typed Parquet file.

    Returns:
        Its format, the number of its rows, and its columns.

    Raises:
        InvalidInput: As ingest, but for TooLarge.
    """
    format_ = detect_format(original)
    read = type_parquet if format_ is TableFormat.PARQUET else type_csv
    return format_, *read(original, target)


def ingest(
    source: Path,
    target: Path,
    *,
    original: Path,
    max_bytes: int,
    read: Callable[[Path, Path], Typed] = type_table,
) -> Table:
    """Read an uploaded table, check all of it and store it typed.

    Memory stays bounded whatever the size of the file. Safe to repeat: both files are written anew.

    Args:
        source: The uploaded file, CSV in UTF-8 or Parquet, either gzip-compressed or not; its content tells.
        target: Where the typed Parquet file goes.
        original: Where the decompressed content goes, byte for byte.
        max_bytes: Most bytes taken, as uploaded and after decompression.
        read: Does what ``type_table`` does, perhaps elsewhere.

    Returns:
        What the table holds. On an error neither file is left behind.

    Raises:
        TooLarge: More bytes than allowed.
        DatasetUnreadable: Not CSV or Parquet, or broken; with ``line``, ``column``, ``expected``, ``found``
            and ``byte`` where known.
        DatasetEmpty: No column or no row.
        DuplicateColumns: One entry in ``fields`` for each name that stands more than once.
    """
    try:
        content = unpack(source, original, max_bytes)
        if not content.size_bytes:
            raise DatasetEmpty("The file is empty.")
        format_, rows, columns = read(original, target)
        return Table(format_, rows, columns, content.size_bytes, content.fingerprint)
    except BaseException:
        original.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        raise
