"""Which run is next, and which worker holds it.

Queue and leases span organizations, so these functions take a session where they look across them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from studio.backends.stores import Stores
from studio.domain.runs import EventType, RunStatus
from studio.training.service.events import append_events
from studio.training.service.runs import find_row
from studio.training.tables import RunRow

LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Claim:
    """A run a worker has taken.

    Attributes:
        attempt: Which start of the run this is, from 1.
        elapsed_s: Running time of earlier attempts, in seconds.
        pending_action: What was asked of an earlier attempt that did not live to do it: ``cancel``, ``pause`` or None.
    """

    organization: str
    run_id: str
    model_id: str
    attempt: int
    elapsed_s: float
    timeout_s: int
    keep_best_on_timeout: bool
    pending_action: str | None


def claim_run(db: Session, worker_id: str, *, now: datetime) -> Claim | None:
    """Take the next run: the queue's first, or one whose worker has let its lease run out.

    Args:
        db: A writing session.
        worker_id: Who takes it.
        now: The time.
    """
    is_lost = (RunRow.status == str(RunStatus.RUNNING)) & or_(RunRow.lease_until.is_(None), RunRow.lease_until < now)
    row = db.scalars(
        select(RunRow)
        .where(or_(RunRow.status == str(RunStatus.QUEUED), is_lost))
        .order_by(RunRow.status.desc(), RunRow.priority, RunRow.rank, RunRow.id)  # running before queued
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    row.status, row.worker_id, row.lease_until = str(RunStatus.RUNNING), worker_id, now + LEASE
    row.started_at = row.started_at or now
    row.attempts += 1
    db.flush()
    return Claim(
        organization=row.organization,
        run_id=row.id,
        model_id=row.model_id,
        attempt=row.attempts,
        elapsed_s=row.elapsed_s,
        timeout_s=row.timeout_s,
        keep_best_on_timeout=bool(row.config.get("keep_best_on_timeout", True)),
        pending_action=row.pending_action,
    )


def expire_leases(db: Session, worker_id: str, *, now: datetime, planned: bool) -> None:
    """Let go of the runs this worker, or an earlier life of it, held, so that they go on at once.

    Args:
        db: A writing session.
        worker_id: Whose runs.
        now: The time.
        planned: Whether the worker was stopped on purpose, which does not count as a failed start.
    """
    held = (RunRow.worker_id == worker_id, RunRow.status == str(RunStatus.RUNNING))
    values: dict[str, Any] = {"lease_until": now - LEASE}
    if planned:
        values["attempts"] = RunRow.attempts - 1
    db.execute(update(RunRow).where(*held).values(**values))


def renew_lease(
    stores: Stores,
    run_id: str,
    worker_id: str,
    *,
    elapsed_s: float,
    memory_mb: float | None,
    cpu_percent: float | None,
) -> str | None:
    """Hold on to a run for another 30 s, and note the most that its processes used.

    Args:
        stores: Open stores.
        run_id: Id of the run.
        worker_id: Who holds it.
        elapsed_s: Running time so far, over all attempts.
        memory_mb: Most memory of its processes at a time; None where nobody knows.
        cpu_percent: Most use of processors, 100 for one core; None where nobody knows.

    Returns:
        What is asked of the run: ``cancel``, ``pause``, ``lost`` where another worker holds it or its model is being
        deleted; None for nothing.
    """
    row = find_row(stores, run_id, lock=True)
    if row.worker_id != worker_id or row.status != RunStatus.RUNNING:
        return "lost"
    row.lease_until, row.elapsed_s = stores.now() + LEASE, elapsed_s
    _note_peaks(row, memory_mb, cpu_percent)
    return row.pending_action


def note_peaks(stores: Stores, run_id: str, *, memory_mb: float | None, cpu_percent: float | None) -> None:
    """Note the most that a run's processes used until their end; as renew_lease does."""
    _note_peaks(find_row(stores, run_id, lock=True), memory_mb, cpu_percent)


def let_go(stores: Stores, run_id: str, worker_id: str) -> None:
    """The process of a run that was cancelled with its model is gone: what it has written can be removed. Safe to
    repeat, and for any other run.
    """
    held = (RunRow.id == run_id, RunRow.worker_id == worker_id, RunRow.status == str(RunStatus.CANCELLED))
    stores.db.execute(update(RunRow).where(*held).values(worker_id=None, lease_until=None))


def requeue_run(stores: Stores, run_id: str, *, why: str) -> bool:
    """A run's process has died: let it go on with what it has, unless it died too often.

    Args:
        stores: Open stores.
        run_id: Id of the run.
        why: What happened, for the log.

    Returns:
        False when it has been tried enough: the caller fails it.
    """
    row = find_row(stores, run_id, lock=True)
    if row.status != RunStatus.RUNNING:
        return True  # cancelled with its model
    if row.attempts >= MAX_ATTEMPTS:
        return False
    row.lease_until = None
    message = f"[Pipeline] {why}; going on with what is finished (start {row.attempts + 1} of {MAX_ATTEMPTS})"
    append_events(stores, run_id, [(EventType.LOG, {"level": "warning", "message": message})])
    return True


def _note_peaks(row: RunRow, memory_mb: float | None, cpu_percent: float | None) -> None:
    """Earlier attempts count as well."""
    if memory_mb is not None:
        row.peak_memory_mb = max(row.peak_memory_mb or 0.0, round(memory_mb, 1))
    if cpu_percent is not None:
        row.peak_cpu_percent = max(row.peak_cpu_percent or 0.0, round(cpu_percent, 1))
