"""Typed Parquet files, written as their rows come."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 1 << 17
ROW_GROUP_BYTES = 128 << 20


def write_parquet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, target: Path) -> int:
    """Write batches as row groups of at most 131 072 rows and about 128 MiB, compressed with Zstandard.

    Args:
        batches: Of the given schema, each well below 128 MiB.
        schema: Of the file.
        target: File to write.

    Returns:
        The number of rows written.
    """
    rows = 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            rows += batch.num_rows
            waiting.append(batch)
            if _is_full(waiting):
                writer.write_table(pa.Table.from_batches(waiting), row_group_size=ROW_GROUP_ROWS)
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting), row_group_size=ROW_GROUP_ROWS)
    return rows


def _is_full(batches: list[pa.RecordBatch]) -> bool:
    """True when the batches are worth a row group."""
    rows = sum(int(batch.num_rows) for batch in batches)
    size_bytes = sum(int(batch.nbytes) for batch in batches)
    return rows >= ROW_GROUP_ROWS or size_bytes >= ROW_GROUP_BYTES
