"""Finds rows of batch jobs and turns them into records."""

from sqlalchemy import select

from studio.backends.stores import Stores
from studio.batch_predictions.tables import BatchJobRow
from studio.domain.batch_jobs import BatchDownloads, BatchFailure, BatchJob, BatchStatus
from studio.domain.identifiers import is_id
from studio.domain.versions import version_id_of
from studio.errors import BatchNotFound


def find_row(stores: Stores, batch_id: str, *, model_id: str | None = None, lock: bool = False) -> BatchJobRow:
    """The row of one job of the organization.

    Args:
        stores: Open stores.
        batch_id: Its id.
        model_id: The model it must be of; None for any.
        lock: Whether it is about to be changed.

    Raises:
        BatchNotFound: There is none, or it is another model's.
    """
    if not is_id("batch", batch_id):
        raise BatchNotFound(batch_id)
    query = select(BatchJobRow).where(BatchJobRow.id == batch_id, BatchJobRow.organization == stores.organization)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = stores.db.scalars(query).first()
    if row is None or (model_id is not None and row.model_id != model_id):
        raise BatchNotFound(batch_id)
    return row


def record_of(row: BatchJobRow) -> BatchJob:
    """The job a row stands for, without its downloads."""
    return BatchJob(
        batch_id=row.id,
        model_id=row.model_id,
        version_id=version_id_of(row.version),
        dataset_id=row.dataset_id,
        status=BatchStatus(row.status),
        rows_total=row.rows_total,
        rows_predicted=row.rows_predicted,
        rows_failed=row.rows_failed,
        created_at=row.created_at,
        created_by=row.created_by,
        started_at=row.started_at,
        completed_at=row.completed_at,
        failure=BatchFailure(**row.failure) if row.failure else None,
        downloads=BatchDownloads(),
        downloads_expire_at=None,
    )
