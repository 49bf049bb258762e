"""Which job is next, which worker holds it, and how it ends.

Queue and leases span organizations, so these functions take a session where they look across them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from studio.backends.files.port import StoredFile
from studio.backends.stores import Stores
from studio.batch_predictions.service.rows import find_row
from studio.batch_predictions.tables import BatchJobRow
from studio.datasets import service as datasets
from studio.domain.batch_jobs import BatchFailure, BatchStatus

LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 3
UNFINISHED = [status.value for status in BatchStatus if not status.is_finished]


@dataclass(frozen=True)
class Claim:
    """A job a worker has taken; ``attempt`` counts its starts from 1."""

    organization: str
    batch_id: str
    attempt: int


def has_work(db: Session) -> bool:
    """Whether any job has not ended; a look that takes no lock."""
    return db.scalar(select(BatchJobRow.id).where(BatchJobRow.status.in_(UNFINISHED)).limit(1)) is not None


def claim_batch(db: Session, worker_id: str, *, now: datetime) -> Claim | None:
    """Take the next job: one whose worker has let its lease run out, else the oldest in the queue.

    Args:
        db: A writing session.
        worker_id: Who takes it.
        now: The time.
    """
    status, lease = BatchJobRow.status, BatchJobRow.lease_until
    is_lost = (status == BatchStatus.RUNNING.value) & or_(lease.is_(None), lease < now)
    row = db.scalars(
        select(BatchJobRow)
        .where(or_(status == BatchStatus.QUEUED.value, is_lost))
        .order_by(status.desc(), BatchJobRow.created_at, BatchJobRow.id)  # running before queued
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    row.status, row.worker_id, row.lease_until = BatchStatus.RUNNING.value, worker_id, now + LEASE
    row.started_at = row.started_at or now
    row.attempts += 1
    db.flush()
    return Claim(row.organization, row.id, row.attempts)


def expire_leases(db: Session, worker_id: str, *, now: datetime, planned: bool) -> None:
    """Let go of the jobs this worker, or an earlier life of it, held, so that they go on at once.

    Args:
        db: A writing session.
        worker_id: Whose jobs.
        now: The time.
        planned: Whether the worker was stopped on purpose, which does not count as a failed start.
    """
    held = BatchJobRow.worker_id == worker_id, BatchJobRow.status == BatchStatus.RUNNING.value
    attempts = BatchJobRow.attempts - 1 if planned else BatchJobRow.attempts
    db.execute(update(BatchJobRow).where(*held).values(lease_until=now - LEASE, attempts=attempts))


def renew_lease(stores: Stores, batch_id: str, worker_id: str) -> bool:
    """Hold on to a job for another 30 s; False where it is this worker's no more.

    Raises:
        BatchNotFound: It went with its model.
    """
    row = find_row(stores, batch_id, lock=True)
    if row.worker_id != worker_id or row.status != BatchStatus.RUNNING:
        return False
    row.lease_until = stores.now() + LEASE
    return True


def requeue_batch(stores: Stores, batch_id: str, *, why: str) -> None:
    """The process of a job has died: let it go on with what it has, unless it died too often.

    Raises:
        BatchNotFound: It went with its model.
    """
    row = find_row(stores, batch_id, lock=True)
    if row.status != BatchStatus.RUNNING:
        return
    if row.attempts >= MAX_ATTEMPTS:
        fail_batch(stores, batch_id, BatchFailure("worker_lost", f"Given up after {row.attempts} starts: {why}."))
    else:
        row.lease_until = None


def note_progress(stores: Stores, batch_id: str, *, total: int, predicted: int, failed: int) -> None:
    """Write down how far a job is.

    Raises:
        BatchNotFound: It went with its model.
    """
    row = find_row(stores, batch_id, lock=True)
    row.rows_total, row.rows_predicted, row.rows_failed = total, predicted, failed


def complete_batch(stores: Stores, batch_id: str, files: Mapping[str, StoredFile]) -> None:
    """A job has ended well, its files lie in the store.

    Raises:
        BatchNotFound: It went with its model.
    """
    _end(stores, batch_id, BatchStatus.COMPLETED, files)


def fail_batch(
    stores: Stores, batch_id: str, failure: BatchFailure, files: Mapping[str, StoredFile] | None = None
) -> None:
    """A job has failed, perhaps with an error file.

    Raises:
        BatchNotFound: It went with its model.
    """
    _end(stores, batch_id, BatchStatus.FAILED, files or {})
    find_row(stores, batch_id).failure = asdict(failure)


def _end(stores: Stores, batch_id: str, status: BatchStatus, files: Mapping[str, StoredFile]) -> None:
    row = find_row(stores, batch_id, lock=True)
    row.status, row.completed_at, row.lease_until = status.value, stores.now(), None
    row.files = {name: asdict(file) for name, file in files.items()}
    datasets.release_dataset(stores, batch_id)
    stores.db.flush()
