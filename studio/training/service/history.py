"""Looks back over what a run has told: its newest message, its log, and all messages of some types."""

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from studio.domain.runs import EventType, LogLevel
from studio.training.service.events import RunEvent, event_of
from studio.training.tables import RunEventRow


def find_newest_event(db: Session, run_id: str) -> RunEvent | None:
    """The newest message of a run; None while it has told nothing."""
    query = select(RunEventRow).where(RunEventRow.run_id == run_id).order_by(RunEventRow.seq.desc()).limit(1)
    row = db.scalars(query).first()
    return event_of(row) if row else None


def read_events_of(db: Session, run_id: str, types: Collection[EventType]) -> list[RunEvent]:
    """Every message of some types, oldest first."""
    query = select(RunEventRow).where(RunEventRow.run_id == run_id, RunEventRow.type.in_([*map(str, types)]))
    return [event_of(row) for row in db.scalars(query.order_by(RunEventRow.seq))]


def read_log(
    db: Session, run_id: str, *, levels: Collection[LogLevel], limit: int, offset: int, tail: bool
) -> tuple[int, list[RunEvent]]:
    """Part of a run's log.

    Args:
        db: Open session.
        run_id: Id of the run.
        levels: Only lines of these levels.
        limit: Most lines to return.
        offset: How many of those lines to pass over; ignored with ``tail``.
        tail: The last ``limit`` lines instead.

    Returns:
        How many lines of these levels there are, and the asked part of them, oldest first.
    """
    query = select(RunEventRow).where(
        RunEventRow.run_id == run_id,
        RunEventRow.type == str(EventType.LOG),
        RunEventRow.level.in_([*map(str, levels)]),
    )
    total = db.scalar(select(func.count()).select_from(query.subquery())) or 0
    if tail:
        rows = list(db.scalars(query.order_by(RunEventRow.seq.desc()).limit(limit)))[::-1]
    else:
        rows = list(db.scalars(query.order_by(RunEventRow.seq).offset(offset).limit(limit)))
    return total, [event_of(row) for row in rows]
