"""The training schedule of a model: read, set, deleted, and started when it is due."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.audit import service as audit
from studio.backends.stores import Stores
from studio.domain.run_records import TrainingRun
from studio.domain.runs import Priority
from studio.domain.training_schedules import ScheduleTrigger, TrainingSchedule
from studio.errors import Conflict, InvalidInput, NotFound, ScheduleNotFound, TooMany
from studio.models import service as models
from studio.training.service.cron import next_time
from studio.training.service.requests import check_override, start_run
from studio.training.service.runs import PRIORITIES
from studio.training.tables import ScheduleRow

logger = logging.getLogger(__name__)

NOT_SET = ("model_id", "next_run_at", "last_run_id", "updated_at", "updated_by")
AT_ONCE = 100  # due schedules looked at in one round
REFUSALS = (Conflict, InvalidInput, NotFound, TooMany)


@dataclass(frozen=True)
class DueSchedule:
    """A schedule whose time has come."""

    organization: str
    model_id: str


def get_schedule(stores: Stores, model_id: str) -> TrainingSchedule:
    """The schedule of a model.

    Raises:
        ScheduleNotFound: It has none.
    """
    return _record_of(_find_row(stores, model_id))


def set_schedule(stores: Stores, model_id: str, wanted: Mapping[str, Any]) -> TrainingSchedule:
    """Create a model's schedule or replace it; one that is the same already stays as it is.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        wanted: ``trigger``, ``cron``, ``timezone``, ``drift_threshold``, ``min_interval_s``, ``is_enabled``,
            ``label``, ``priority``, ``timeout_s`` and ``config_override``, every one.

    Raises:
        ModelArchived: The model is archived.
        InvalidCron: The expression has no time to come.
        InvalidInput: The override makes no sense, as start_run tells.
    """
    models.lock_for_change(stores, model_id)
    if wanted["cron"] is not None:
        next_time(wanted["cron"], wanted["timezone"], after=stores.now())  # also while disabled
    check_override(stores, models.get_model(stores, model_id), wanted["config_override"])
    fresh = {**wanted, "priority": PRIORITIES.index(Priority(wanted["priority"]))}
    row = stores.db.get(ScheduleRow, model_id)
    old = _settings_of(row) if row is not None else {}
    if row is None:
        row = ScheduleRow(model_id=model_id, organization=stores.organization)
        stores.db.add(row)
    for name, value in fresh.items():
        setattr(row, name, value)
    told = _settings_of(row)
    if told == old:
        return _record_of(row)
    row.updated_at, row.updated_by = stores.now(), stores.actor.user_id or "system"
    row.next_run_at = _next_run_of(row, stores.now())
    stores.db.flush()
    changes = {
        name: {"previous": old.get(name), "new": value} for name, value in told.items() if not old or old[name] != value
    }
    stores.record_change(model_id, changes=changes)
    return _record_of(row)


def delete_schedule(stores: Stores, model_id: str) -> None:
    """Delete the schedule of a model; runs it started go on.

    Raises:
        ScheduleNotFound: It has none.
    """
    models.lock_model(stores, model_id)
    row = _find_row(stores, model_id)
    stores.record_change(model_id, previous=_settings_of(row))
    stores.db.delete(row)
    stores.db.flush()


def list_due(db: Session, now: datetime) -> list[DueSchedule]:
    """Schedules of every organization whose time has come, the longest waiting first."""
    query = select(ScheduleRow.organization, ScheduleRow.model_id).where(ScheduleRow.next_run_at <= now)
    rows = db.execute(query.order_by(ScheduleRow.next_run_at, ScheduleRow.model_id).limit(AT_ONCE))
    return [DueSchedule(row.organization, row.model_id) for row in rows]


def start_due(stores: Stores, model_id: str) -> TrainingRun | None:
    """Start the run of a schedule that is due, and say when the next is.

    Whoever comes second waits for the model and then finds nothing due. The run and the next time are kept together:
    a worker that is killed in between has done neither.

    Returns:
        The run; None where nothing is due any more, or the run was skipped.
    """
    try:
        models.lock_model(stores, model_id)
    except NotFound:
        return None  # deleted meanwhile
    query = select(ScheduleRow).where(ScheduleRow.model_id == model_id).execution_options(populate_existing=True)
    row = stores.db.scalars(query).first()
    if row is None or row.next_run_at is None or row.next_run_at > stores.now():
        return None
    run = _start_or_skip(stores, row)
    if run is not None:
        row.last_run_id, row.last_started_at = run.run_id, stores.now()
    row.next_run_at = _next_run_of(row, stores.now())
    stores.db.flush()
    return run


def _start_or_skip(stores: Stores, row: ScheduleRow) -> TrainingRun | None:
    try:
        with stores.db.begin_nested():  # a refused start leaves nothing, and the next time is still set
            run = start_run(
                stores, row.model_id, config_override=row.config_override, run_label=row.label,
                priority=PRIORITIES[row.priority], timeout_seconds=row.timeout_s, trigger="schedule",
            )  # fmt: skip
    except REFUSALS as refusal:
        facts = {"model_id": row.model_id, "code": refusal.code, "reason": str(refusal)}
        logger.warning("scheduled run skipped", extra=facts)
        return None
    assert stores.note is not None
    audit.append_entry(stores, "model.training_started", model_id=row.model_id, details=stores.note.details)
    return run


def _next_run_of(row: ScheduleRow, now: datetime) -> datetime | None:
    if not row.is_enabled or row.cron is None:
        return None
    after = now
    if row.last_started_at is not None:
        # from the full minute: an hourly run that starts a moment late must not make the next one wait an hour more
        started = row.last_started_at.replace(second=0, microsecond=0)
        after = max(after, started + timedelta(seconds=row.min_interval_s, microseconds=-1))
    return next_time(row.cron, row.timezone, after=after)


def _find_row(stores: Stores, model_id: str) -> ScheduleRow:
    query = select(ScheduleRow).where(ScheduleRow.model_id == model_id, ScheduleRow.organization == stores.organization)
    row = stores.db.scalars(query.execution_options(populate_existing=True)).first()
    if row is None:
        raise ScheduleNotFound(f"Model {model_id} has no training schedule.")
    return row


def _settings_of(row: ScheduleRow) -> dict[str, Any]:
    """What callers set of a schedule, by the names they set it by."""
    record = asdict(_record_of(row))
    return {name: value for name, value in record.items() if name not in NOT_SET}


def _record_of(row: ScheduleRow) -> TrainingSchedule:
    return TrainingSchedule(
        model_id=row.model_id,
        enabled=row.is_enabled,
        trigger=ScheduleTrigger(row.trigger),
        cron=row.cron,
        timezone=row.timezone,
        drift_threshold=row.drift_threshold,
        min_interval_seconds=row.min_interval_s,
        run_label=row.label,
        priority=PRIORITIES[row.priority],
        timeout_seconds=row.timeout_s,
        config_override=row.config_override,
        next_run_at=row.next_run_at,
        last_run_id=row.last_run_id,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
    )
