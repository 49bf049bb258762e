"""An uploaded file on its way to a typed table."""

from pathlib import Path

from studio.errors import DatasetEmpty
from studio.tabular.content import detect_format, unpack
from studio.tabular.csv_reading import type_csv
from studio.tabular.parquet_reading import type_parquet
from studio.tabular.table import Table, TableFormat


def ingest(source: Path, target: Path, *, original: Path, max_bytes: int) -> Table:
    """Read an uploaded table, check all of it and store it typed.

    Memory stays bounded whatever the size of the file. Safe to repeat: both files are written anew.

    Args:
        source: The uploaded file, CSV in UTF-8 or Parquet, either gzip-compressed or not; its content tells.
        target: Where the typed Parquet file goes.
        original: Where the decompressed content goes, byte for byte.
        max_bytes: Most bytes taken, as uploaded and after decompression.

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
        format_ = detect_format(original)
        read = type_parquet if format_ is TableFormat.PARQUET else type_csv
        rows, columns = read(original, target)
        return Table(format_, rows, columns, content.size_bytes, content.fingerprint)
    except BaseException:
        original.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        raise
