"""The profile of a typed table: what is in each column, and what a modeller is warned of."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from studio.errors import UnknownColumn
from studio.tabular.column_profile import ColumnProfile, profile_column
from studio.tabular.leakage import SAMPLE_ROWS, Target, is_leaking, read_target
from studio.tabular.row_hash import add_column, count_repeats
from studio.tabular.table import Column, ColumnType
from studio.tabular.warning_rules import (
    ProfileWarning,
    warn_of_column,
    warn_of_form,
    warn_of_leak,
    warn_of_repeats,
    warn_of_target,
)
from studio.tabular.written import read_metadata

CELLS_AT_ONCE = 4 << 20
SEED = 0


@dataclass(frozen=True)
class Profile:
    """What profiling a table gives.

    Attributes:
        rows: Number of rows.
        columns: Number of columns.
        column_profiles: In the order of the columns.
        warnings: Those of each column in their order, those of the whole table last.
    """

    rows: int
    columns: int
    column_profiles: tuple[ColumnProfile, ...]
    warnings: tuple[ProfileWarning, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON; members that do not apply to the type of a column are left out."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "column_profiles": [found.to_json() for found in self.column_profiles],
            "warnings": [warning.to_json() for warning in self.warnings],
        }


def profile(path: Path | BinaryIO, columns: Sequence[Column], target_column: str | None = None) -> Profile:
    """Profile a typed table, reading a few columns at a time.

    Memory holds a few columns and 8 bytes per row. Statistics are of all rows; only whether a column leaks
    the target is judged from at most 50 000 rows, the same ones each time.

    Args:
        path: A typed Parquet file, or one that is open; it stays open.
        columns: Its columns, as ``ingest`` gave them.
        target_column: The column to be predicted; without it nothing is said about leaking.

    Raises:
        UnknownColumn: The table has no such target column.
    """
    if target_column is not None and target_column not in {column.name for column in columns}:
        raise UnknownColumn(f"The dataset has no column {target_column!r}.", column=target_column)
    found: list[ColumnProfile] = []
    warnings: list[ProfileWarning] = []
    with pq.ParquetFile(path) as file:
        rows = file.metadata.num_rows
        sample = _sample_positions(rows)
        target = _read_target(file, columns, target_column, sample)
        hashes = np.zeros(rows, dtype=np.uint64)
        schema = file.schema_arrow
        for column, values in _read_columns(file, columns):
            found.append(profile_column(column, values))
            warned = warn_of_column(found[-1], values)
            if column.name == target_column:
                counts = None if target is None or target.classes is None else np.bincount(target.classes).tolist()
                warned += warn_of_target(column.name, rows, found[-1].missing, counts)
            if target is not None and _may_leak(column, target, warned) and is_leaking(values.take(sample), target):
                warned.append(warn_of_leak(column.name, target.name))
            warnings += warned + warn_of_form(column.name, read_metadata(schema.field(column.name).metadata))
            add_column(hashes, values)
    warnings += warn_of_repeats(count_repeats(hashes), rows)
    return Profile(rows, len(columns), tuple(found), tuple(warnings))


def sample_table(path: Path, most_rows: int) -> BinaryIO:
    """Some rows of a typed table as one of its own, in memory; all columns, each row as likely as any other.

    Args:
        path: A typed Parquet file.
        most_rows: Rows at most; fewer than the table has.
    """
    with pq.ParquetFile(path) as file:
        rows = file.metadata.num_rows
        chosen = np.sort(np.random.default_rng(SEED).choice(rows, most_rows, replace=False))
        sampled, first = io.BytesIO(), 0
        with pq.ParquetWriter(sampled, file.schema_arrow) as writer:
            for group in range(file.num_row_groups):
                end = first + file.metadata.row_group(group).num_rows
                places = chosen[(chosen >= first) & (chosen < end)] - first
                if len(places):
                    writer.write_table(file.read_row_group(group).take(pa.array(places)))
                first = end
    sampled.seek(0)
    return sampled


def _may_leak(column: Column, target: Target, warned: list[ProfileWarning]) -> bool:
    """False for the target itself, and for ids, constants and free text, which have their own trouble."""
    is_excused = any(warning.code in ("id_like", "constant") for warning in warned)
    return column.name != target.name and column.type is not ColumnType.TEXT and not is_excused


def _sample_positions(rows: int) -> pa.Array:
    """Positions of up to 50 000 rows, in order, each as likely as any other."""
    if rows <= SAMPLE_ROWS:
        return pa.array(np.arange(rows))
    return pa.array(np.sort(np.random.default_rng(SEED).choice(rows, SAMPLE_ROWS, replace=False)))


def _read_target(file: pq.ParquetFile, columns: Sequence[Column], name: str | None, sample: pa.Array) -> Target | None:
    """The sampled target, None where none is given or it cannot be judged."""
    for column in columns:
        if column.name == name:
            [(_, values)] = _read_columns(file, [column])
            return read_target(column.name, values.take(sample))
    return None


def _read_columns(file: pq.ParquetFile, columns: Sequence[Column]) -> Iterator[tuple[Column, pa.Array]]:
    """The columns one after another, each whole; as many are read at once as are small together."""
    at_once = max(1, CELLS_AT_ONCE // max(file.metadata.num_rows, 1))
    for start in range(0, len(columns), at_once):
        group = columns[start : start + at_once]
        table = file.read(columns=[column.name for column in group])
        for column in group:
            yield column, _combine(table.column(column.name))


def _combine(values: pa.ChunkedArray) -> pa.Array:
    """One array; strings as a dictionary, which is small where values repeat."""
    if pa.types.is_string(values.type):
        # Offsets of plain strings end at 2 GiB.
        values = values.cast(pa.large_string()).dictionary_encode()
    return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
