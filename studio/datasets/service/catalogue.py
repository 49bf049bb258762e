"""Lists, reads and deletes datasets."""

from dataclasses import dataclass

from sqlalchemy import Select, func, select

from studio.backends.stores import Stores
from studio.datasets.service.rows import count_links, find_row, record_of
from studio.datasets.tables import DatasetRow, DatasetUseRow
from studio.domain.datasets import Dataset
from studio.domain.pages import Page
from studio.errors import DatasetInUse, DatasetLinked


@dataclass(frozen=True)
class DatasetFilter:
    """Which datasets are listed, and in which order.

    Attributes:
        search: Words that must all stand in the name or the description; None lists all.
        sort_by: ``name``, ``created_at`` or ``rows``.
    """

    search: str | None = None
    sort_by: str = "created_at"
    descending: bool = True


def list_datasets(stores: Stores, wanted: DatasetFilter, *, page: int, page_size: int) -> Page:
    """One page of the organization's datasets; equal ones in the order of their ids."""
    query = _matching(stores, wanted)
    total = stores.db.scalar(select(func.count()).select_from(query.subquery())) or 0
    column = getattr(DatasetRow, wanted.sort_by)
    order = (column.desc(), DatasetRow.id.desc()) if wanted.descending else (column, DatasetRow.id)
    rows = stores.db.scalars(query.order_by(*order).offset((page - 1) * page_size).limit(page_size)).all()
    links = count_links(stores, [row.id for row in rows])
    return Page(total, page, page_size, [record_of(row, links.get(row.id, 0)) for row in rows])


def get_dataset(stores: Stores, dataset_id: str) -> Dataset:
    """One dataset of the organization.

    Raises:
        DatasetNotFound: The organization has no such dataset.
    """
    row = find_row(stores, dataset_id)
    return record_of(row, count_links(stores, [dataset_id]).get(dataset_id, 0))


def delete_dataset(stores: Stores, dataset_id: str) -> None:
    """Delete a dataset. It is gone at once; the worker removes its files, so that a rollback still finds them.

    Raises:
        DatasetNotFound: The organization has no such dataset.
        DatasetLinked: A model links it.
        DatasetInUse: An unfinished run or batch job reads it.
    """
    row = find_row(stores, dataset_id, change=True)
    linked_models = count_links(stores, [dataset_id]).get(dataset_id, 0)
    if linked_models:
        raise DatasetLinked(
            f"{linked_models} model(s) link {row.name!r}; unlink it there first.", linked_models=linked_models
        )
    if stores.db.scalar(select(DatasetUseRow.holder_id).where(DatasetUseRow.dataset_id == dataset_id).limit(1)):
        raise DatasetInUse(f"An unfinished run or batch job reads {row.name!r}; wait for its end, or cancel it.")
    row.is_complete, row.uploader, row.seen_at = False, None, None
    stores.db.flush()
    stores.record_change(None, dataset_id=dataset_id, name=row.name, fingerprint=row.fingerprint)


def _matching(stores: Stores, wanted: DatasetFilter) -> Select[DatasetRow]:
    query = select(DatasetRow).where(DatasetRow.organization == stores.organization, DatasetRow.is_complete)
    for word in (wanted.search or "").casefold().split():
        query = query.where(DatasetRow.search_text.contains(word, autoescape=True))
    return query
