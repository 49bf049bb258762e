"""Removes what is left of deleted datasets, and of uploads that came to no end."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from studio.backends.stores import OpenStores, Stores
from studio.datasets.service.uploaders import is_gone
from studio.datasets.tables import DatasetRow
from studio.domain.datasets import folder_of

# Signs of life come every minute; a store that does not answer is waited for longer than that.
SILENT_FOR = timedelta(minutes=10)


@dataclass(frozen=True)
class Incomplete:
    """A dataset that is being uploaded, or waits to be removed."""

    organization: str
    dataset_id: str
    uploader: str | None
    seen_at: datetime | None

    def is_abandoned(self, now: datetime) -> bool:
        """True when nobody will complete it."""
        if self.uploader is None or self.seen_at is None:
            return True
        return now - self.seen_at > SILENT_FOR or is_gone(self.uploader)


def list_incomplete(db: Session) -> list[Incomplete]:
    """Every dataset, of all organizations, that is not listed."""
    rows = db.scalars(select(DatasetRow).where(~DatasetRow.is_complete).order_by(DatasetRow.created_at))
    return [Incomplete(row.organization, row.id, row.uploader, row.seen_at) for row in rows]


def give_up(stores: Stores, dataset_id: str, uploader: str | None) -> bool:
    """Take an incomplete dataset from its uploader, who can then no longer complete it.

    Args:
        stores: Open writing stores.
        dataset_id: Which dataset.
        uploader: Who was uploading it when it was looked at.

    Returns:
        False when it has been completed or removed since.
    """
    statement = (
        update(DatasetRow)
        .where(
            DatasetRow.id == dataset_id,
            ~DatasetRow.is_complete,
            DatasetRow.uploader.is_not_distinct_from(uploader),
        )
        .values(uploader=None, seen_at=None)
    )
    return bool(stores.db.execute(statement.returning(DatasetRow.id)).first())


def remove_rest(open_apart: OpenStores, dataset_id: str) -> None:
    """Remove the files of a dataset that nobody uploads or reads, and then its row; safe to repeat.

    Args:
        open_apart: Opens stores of its organization; give ``write``.
        dataset_id: A dataset that is neither complete nor has an uploader.
    """
    with open_apart(write=False) as stores:
        stores.files.delete_folder(folder_of(dataset_id))
    with open_apart(write=True) as stores:
        stores.db.execute(
            delete(DatasetRow).where(
                DatasetRow.id == dataset_id, ~DatasetRow.is_complete, DatasetRow.uploader.is_(None)
            )
        )
