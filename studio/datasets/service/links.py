"""Links models to datasets, and keeps datasets that are in use."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from studio.backends.stores import Stores
from studio.datasets.service.rows import columns_of, find_row
from studio.datasets.tables import DatasetLinkRow, DatasetRow, DatasetUseRow
from studio.domain.datasets import DatasetLink


def link_dataset(stores: Stores, model_id: str, dataset_id: str) -> DatasetLink:
    """Make a dataset the one a model learns from, in place of the one it had.

    Raises:
        DatasetNotFound: The organization has no such dataset.
    """
    row = find_row(stores, dataset_id, keep=True)
    stores.db.merge(DatasetLinkRow(model_id=model_id, dataset_id=dataset_id, linked_at=stores.now()))
    stores.db.flush()
    return _link_of(model_id, row, stores.now())


def find_link(stores: Stores, model_id: str) -> DatasetLink | None:
    """The dataset a model learns from, None while none is linked."""
    found = stores.db.execute(
        select(DatasetRow, DatasetLinkRow.linked_at)
        .join(DatasetLinkRow, DatasetLinkRow.dataset_id == DatasetRow.id)
        .where(DatasetLinkRow.model_id == model_id)
    ).first()
    return _link_of(model_id, found[0], found[1]) if found else None


def unlink_dataset(stores: Stores, model_id: str) -> None:
    """Remove a model's link; safe to repeat."""
    stores.db.execute(delete(DatasetLinkRow).where(DatasetLinkRow.model_id == model_id))


def hold_dataset(stores: Stores, dataset_id: str, holder_id: str) -> None:
    """Keep a dataset from being deleted while a run or a batch job reads it; safe to repeat.

    Raises:
        DatasetNotFound: The organization has no such dataset.
    """
    find_row(stores, dataset_id, keep=True)
    stores.db.merge(DatasetUseRow(holder_id=holder_id, dataset_id=dataset_id))
    stores.db.flush()


def list_holders(db: Session) -> list[str]:
    """Ids of everything that holds a dataset, of all organizations."""
    return list(db.scalars(select(DatasetUseRow.holder_id)))


def end_hold(db: Session, holder_id: str) -> None:
    """End a hold whose holder is gone; safe to repeat."""
    db.execute(delete(DatasetUseRow).where(DatasetUseRow.holder_id == holder_id))


def release_dataset(stores: Stores, holder_id: str) -> None:
    """End a hold; safe to repeat."""
    end_hold(stores.db, holder_id)


def _link_of(model_id: str, row: DatasetRow, linked_at: datetime) -> DatasetLink:
    return DatasetLink(model_id, row.id, row.name, linked_at, columns_of(row))
