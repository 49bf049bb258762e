"""What is in a dataset: its first rows, its profile, its whole table."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from studio.backends.stores import Stores
from studio.datasets.service.catalogue import get_dataset
from studio.domain.datasets import Dataset, folder_of
from studio.errors import DatasetNotFound, FileMissing, UnknownColumn
from studio.tabular.preview import preview
from studio.tabular.profile import profile, sample_table
from studio.tabular.table import Column, ColumnType
from studio.version import VERSION

KEPT_PROFILES = 20
LEAST_SAMPLE_ROWS = 2_000


@dataclass(frozen=True)
class Preview:
    """The first rows of a dataset, in file order; values as JSON holds them."""

    dataset: Dataset
    rows: list[dict[str, Any]]


def preview_dataset(stores: Stores, dataset_id: str, *, limit: int) -> Preview:
    """The first rows of a dataset.

    Args:
        stores: Open stores.
        dataset_id: Id of the dataset.
        limit: Most rows, 1 or more.

    Raises:
        DatasetNotFound: The organization has no such dataset.
    """
    dataset = get_dataset(stores, dataset_id)
    with _table_of(stores, dataset) as table:
        return Preview(dataset, preview(table, limit))


def profile_dataset(stores: Stores, dataset_id: str, *, target_column: str | None = None) -> dict[str, Any]:
    """What is in each column, and what a modeller is warned of; computed once, then kept beside the table.

    Args:
        stores: Open stores.
        dataset_id: Id of the dataset.
        target_column: The column to be predicted; without it nothing is said about leaking.

    Returns:
        The profile as JSON: ``rows``, ``columns``, ``column_profiles``, ``warnings``.

    Raises:
        DatasetNotFound: The organization has no such dataset.
        UnknownColumn: It has no such column.
    """
    dataset = get_dataset(stores, dataset_id)
    if target_column is not None and target_column not in {column.name for column in dataset.columns}:
        raise UnknownColumn(
            f"{dataset.name!r} has no column {target_column!r}.",
            fields=[("target_column", f"there is no column {target_column!r}")],
        )
    key = _profile_key(dataset, target_column)
    kept = _kept_profile(stores, key)
    if kept is not None:
        return kept
    with _table_of(stores, dataset) as table:
        found = profile(table, _columns_of(dataset), target_column).to_json()
    _keep(stores, dataset, key, found)
    return found


def warn_of_dataset(
    stores: Stores, dataset_id: str, table: Path, *, target_column: str | None, most_cells: int
) -> tuple[list[dict[str, Any]], int]:
    """What a modeller is warned of, of the kept profile where there is one.

    Args:
        stores: Open stores.
        dataset_id: Id of the dataset.
        table: A copy of its typed table.
        target_column: One of its columns, the one to be predicted.
        most_cells: Of a table with more cells than that, and no kept profile, some rows are judged for all.

    Returns:
        The profile's warnings, and how many rows they were found in.

    Raises:
        DatasetNotFound: The organization has no such dataset.
    """
    dataset = get_dataset(stores, dataset_id)
    columns = _columns_of(dataset)
    kept = _kept_profile(stores, _profile_key(dataset, target_column))
    if kept is not None:
        return kept["warnings"], dataset.rows
    n_rows = max(LEAST_SAMPLE_ROWS, most_cells // len(columns))
    if n_rows < dataset.rows:
        found = profile(sample_table(table, n_rows), columns, target_column).to_json()
        return found["warnings"], n_rows
    found = profile(table, columns, target_column).to_json()
    _keep(stores, dataset, _profile_key(dataset, target_column), found)
    return found["warnings"], dataset.rows


def fetch_table(stores: Stores, dataset_id: str, path: Path) -> Dataset:
    """Copy a dataset's typed table to a local Parquet file.

    Args:
        stores: Open stores.
        dataset_id: Id of a dataset that is held, else it may be deleted meanwhile.
        path: Where the copy goes; its folder exists, and it appears only when complete.

    Raises:
        DatasetNotFound: The organization has no such dataset.
    """
    dataset = get_dataset(stores, dataset_id)
    try:
        stores.files.fetch(dataset.table_key, path)
    except FileMissing as error:
        raise DatasetNotFound(dataset_id) from error
    return dataset


def read_column(stores: Stores, dataset_id: str, column: str) -> "pd.Series[Any]":
    """One column of a dataset as a pandas Series of shape (n_rows,), named like it; the others are not read.

    Args:
        stores: Open stores.
        dataset_id: Id of the dataset.
        column: Name of one of its columns.

    Raises:
        DatasetNotFound: The organization has no such dataset.
    """
    with _table_of(stores, get_dataset(stores, dataset_id)) as table:
        values: pd.Series[Any] = pq.read_table(table, columns=[column])[column].to_pandas()
    return values.rename(column)


def read_rows(stores: Stores, dataset_id: str, columns: list[str], rows: npt.NDArray[np.int64]) -> pa.Table:
    """Some columns of some rows, in the order asked for; only row groups that hold one of them are read.

    Args:
        stores: Open stores.
        dataset_id: Id of the dataset.
        columns: Names of its columns.
        rows: Positions from 0, of shape (n_rows,).

    Raises:
        DatasetNotFound: The organization has no such dataset.
    """
    with _table_of(stores, get_dataset(stores, dataset_id)) as table, pq.ParquetFile(table) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        ends = np.cumsum(sizes, dtype=np.int64)
        order = np.argsort(rows, kind="stable")
        groups = np.searchsorted(ends, rows[order], side="right")
        parts = [file.schema_arrow.empty_table().select(columns)]
        for group in np.unique(groups).tolist():
            places = rows[order][groups == group] - (ends[group] - sizes[group])
            parts.append(file.read_row_group(group, columns=columns).select(columns).take(pa.array(places)))
        return pa.concat_tables(parts).take(pa.array(np.argsort(order)))


@contextlib.contextmanager
def _table_of(stores: Stores, dataset: Dataset) -> Iterator[BinaryIO]:
    """The typed table, open; no copy is made, as only parts of it are read."""
    try:
        table = stores.files.open(dataset.table_key)
    except FileMissing as error:  # deleted in this moment
        raise DatasetNotFound(dataset.id) from error
    with table:
        yield table


def _columns_of(dataset: Dataset) -> list[Column]:
    return [Column(column.name, ColumnType(column.type)) for column in dataset.columns]


def _kept_profile(stores: Stores, key: str) -> dict[str, Any] | None:
    try:
        kept: dict[str, Any] = orjson.loads(b"".join(stores.files.read_chunks(key)))
    except FileMissing:
        return None
    return kept


def _profiles_folder(dataset: Dataset) -> str:
    return f"{folder_of(dataset.id)}/profiles"


def _profile_key(dataset: Dataset, target_column: str | None) -> str:
    wanted = json.dumps([VERSION, target_column])  # another version may profile otherwise
    return f"{_profiles_folder(dataset)}/{hashlib.sha256(wanted.encode()).hexdigest()[:32]}.json"


def _keep(stores: Stores, dataset: Dataset, key: str, found: dict[str, Any]) -> None:
    """Keep a profile, few at a time: a table of many columns has as many large ones."""
    folder = _profiles_folder(dataset)
    if len(stores.files.list_keys(folder)) >= KEPT_PROFILES:
        stores.files.delete_folder(folder)
    stores.files.put(key, [orjson.dumps(found)])
    try:
        with stores.open_apart(write=False) as apart:
            get_dataset(apart, dataset.id)
    except DatasetNotFound:  # deleted meanwhile, its files perhaps before this one came
        stores.files.delete(key)
        raise
