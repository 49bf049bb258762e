"""Workers and their signs of life."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from studio.training.tables import WorkerRow

ALIVE_WITHIN = timedelta(seconds=10)
FORGOTTEN_AFTER = timedelta(days=1)


def beat(db: Session, worker_id: str, *, now: datetime) -> None:
    """Say that a worker is alive; to be repeated every few seconds."""
    row = db.get(WorkerRow, worker_id)
    if row is None:
        db.execute(delete(WorkerRow).where(WorkerRow.seen_at < now - FORGOTTEN_AFTER))
        db.add(WorkerRow(id=worker_id, started_at=now, seen_at=now))
    else:
        row.seen_at = now


def count_alive(db: Session, *, now: datetime) -> int:
    """How many workers gave a sign of life lately."""
    return db.scalar(select(func.count()).where(WorkerRow.seen_at > now - ALIVE_WITHIN)) or 0


def is_worker_alive(db: Session, *, now: datetime) -> bool:
    """True when any worker gave a sign of life lately."""
    newest = db.scalar(select(func.max(WorkerRow.seen_at)))
    return newest is not None and now - newest < ALIVE_WITHIN
