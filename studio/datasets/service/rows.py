"""Finds rows of datasets and turns them into records."""

from sqlalchemy import func, select

from studio.backends.stores import Stores
from studio.datasets.tables import DatasetLinkRow, DatasetRow
from studio.domain.datasets import Column, ColumnType, Dataset, DatasetFormat, DatasetSource, SourceType
from studio.domain.identifiers import is_id
from studio.errors import DatasetNotFound


def find_row(stores: Stores, dataset_id: str, *, keep: bool = False, change: bool = False) -> DatasetRow:
    """The row of one complete dataset of the organization.

    Args:
        stores: Open stores.
        dataset_id: Its id.
        keep: Whether it must not be deleted before this transaction ends.
        change: Whether the row is about to be changed: who wants to keep or change it waits for this transaction.

    Raises:
        DatasetNotFound: The organization has no such dataset, or not yet.
    """
    if not is_id("dataset", dataset_id):
        raise DatasetNotFound(dataset_id)
    query = select(DatasetRow).where(
        DatasetRow.id == dataset_id,
        DatasetRow.organization == stores.organization,
        DatasetRow.is_complete,
    )
    if keep or change:
        query = query.with_for_update(read=not change).execution_options(populate_existing=True)
    row = stores.db.scalars(query).first()
    if row is None:
        raise DatasetNotFound(dataset_id)
    return row


def count_links(stores: Stores, dataset_ids: list[str]) -> dict[str, int]:
    """How many models link each of some datasets; those that none links are left out."""
    query = (
        select(DatasetLinkRow.dataset_id, func.count())
        .where(DatasetLinkRow.dataset_id.in_(dataset_ids))
        .group_by(DatasetLinkRow.dataset_id)
    )
    return {row[0]: row[1] for row in stores.db.execute(query)}


def columns_of(row: DatasetRow) -> tuple[Column, ...]:
    """The columns a row tells of."""
    return tuple(Column(name, ColumnType(kind)) for name, kind in row.columns)


def record_of(row: DatasetRow, linked_models: int) -> Dataset:
    """The dataset a row stands for."""
    return Dataset(
        id=row.id,
        name=row.name,
        description=row.description,
        format=DatasetFormat(row.format),
        source=DatasetSource(SourceType(row.source["type"]), row.source["uri"]),
        rows=row.rows,
        columns=columns_of(row),
        size_bytes=row.size_bytes,
        fingerprint=row.fingerprint,
        linked_models=linked_models,
        created_at=row.created_at,
        created_by=row.created_by,
    )
