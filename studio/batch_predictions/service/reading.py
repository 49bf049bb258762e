"""Reads batch predictions, with links to their files."""

from dataclasses import replace

from sqlalchemy import func, select

from studio.backends.files.port import StoredFile
from studio.backends.stores import Stores
from studio.batch_predictions.service.rows import find_row, record_of
from studio.batch_predictions.tables import BatchJobRow
from studio.domain.batch_jobs import BatchDownloads, BatchJob, BatchStatus
from studio.domain.pages import Page
from studio.downloads import service as downloads

LIFETIME_S = 3600
ENDINGS = {"csv": ".csv", "parquet": ".parquet", "errors": "-errors.csv"}


def get_batch(stores: Stores, model_id: str, batch_id: str) -> BatchJob:
    """One job; what it has written can be fetched for an hour from each reading on.

    Raises:
        BatchNotFound: The model has no such job.
    """
    row = find_row(stores, batch_id, model_id=model_id)
    job = record_of(row)
    if not row.files:
        return job
    links = {
        name: downloads.link_to(
            stores, StoredFile(**file), filename=f"{batch_id}{ENDINGS[name]}", lifetime_s=LIFETIME_S
        )
        for name, file in row.files.items()
    }
    urls = {name: link.url for name, link in links.items()}
    expires_at = min(link.expires_at for link in links.values())
    return replace(job, downloads=BatchDownloads(**urls), downloads_expire_at=expires_at)


def list_batches(stores: Stores, model_id: str, *, status: BatchStatus | None, page: int, page_size: int) -> Page:
    """One page of a model's jobs, newest first, without links.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        status: Only jobs of this status.
        page: Which page, from 1.
        page_size: Longest page.
    """
    query = select(BatchJobRow).where(BatchJobRow.model_id == model_id, BatchJobRow.organization == stores.organization)
    if status is not None:
        query = query.where(BatchJobRow.status == status.value)
    total = stores.db.scalar(select(func.count()).select_from(query.subquery())) or 0
    order = BatchJobRow.created_at.desc(), BatchJobRow.id.desc()
    rows = stores.db.scalars(query.order_by(*order).offset((page - 1) * page_size).limit(page_size))
    return Page(total, page, page_size, [record_of(row) for row in rows])
