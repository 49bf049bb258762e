"""What happened in a run, told in order: written once, read by sockets, logs and progress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from studio.backends.stores import Stores
from studio.domain.runs import EventType
from studio.training.tables import RunEventRow


@dataclass(frozen=True)
class RunEvent:
    """One message of a run.

    Attributes:
        seq: Its number in the run, from 1 without a gap.
        payload: The fields of its type.
    """

    run_id: str
    seq: int
    type: EventType
    timestamp: datetime
    payload: Mapping[str, Any]


def append_events(stores: Stores, run_id: str, events: Sequence[tuple[EventType, Mapping[str, Any]]]) -> None:
    """Append messages to a run, in order, in the transaction of the change they tell of.

    The run's row must be locked, and the run not have ended before: numbers have no gap, and nothing follows the last
    message.

    Args:
        stores: Open stores.
        run_id: Id of the run.
        events: Types and the fields of each type; log messages get their ``line`` here.
    """
    if not events:
        return
    counts = select(func.max(RunEventRow.seq), func.max(RunEventRow.line)).where(RunEventRow.run_id == run_id)
    seq, line = (value or 0 for value in stores.db.execute(counts).one())
    now = stores.now()
    for kind, payload in events:
        seq += 1
        is_log = kind is EventType.LOG
        line += is_log
        fields = {**payload, "line": line} if is_log else dict(payload)
        stores.db.add(
            RunEventRow(
                run_id=run_id, seq=seq, type=str(kind), timestamp=now, payload=_json_of(fields),
                level=fields["level"] if is_log else None, line=line if is_log else None,
            )
        )  # fmt: skip
    stores.db.flush()


def read_events(db: Session, run_id: str, *, after: int, limit: int = 500) -> list[RunEvent]:
    """Messages of a run after a sequence number, oldest first.

    Args:
        db: Open session.
        run_id: Id of the run.
        after: Sequence number of the last one known, 0 for none.
        limit: Most messages to return.
    """
    rows = db.scalars(
        select(RunEventRow)
        .where(RunEventRow.run_id == run_id, RunEventRow.seq > after)
        .order_by(RunEventRow.seq)
        .limit(limit)
    )
    return [event_of(row) for row in rows]


def event_of(row: RunEventRow) -> RunEvent:
    """The message a row stands for."""
    return RunEvent(row.run_id, row.seq, EventType(row.type), row.timestamp, orjson.loads(row.payload))


def _json_of(fields: Mapping[str, Any]) -> str:
    return orjson.dumps(fields, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode()
