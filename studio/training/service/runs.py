"""Finds runs and turns their rows into records."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from studio.backends.stores import Stores
from studio.domain.identifiers import is_run_id
from studio.domain.pages import Page
from studio.domain.run_records import Failure, TrainingRun
from studio.domain.runs import Phase, Priority, RunStatus
from studio.domain.versions import version_id_of
from studio.errors import RunNotFound
from studio.training.service.forecasts import forecast
from studio.training.tables import RunRow

PRIORITIES = (Priority.HIGH, Priority.NORMAL, Priority.LOW)


def get_run(stores: Stores, model_id: str, run_id: str) -> TrainingRun:
    """One run of a model.

    Raises:
        RunNotFound: The model has no such run.
    """
    return record_of(stores, find_row(stores, run_id, model_id=model_id))


def find_run(stores: Stores, run_id: str) -> TrainingRun:
    """One run of the organization, whatever its model. Raises RunNotFound."""
    return record_of(stores, find_row(stores, run_id))


def find_organizations(db: Session, run_ids: Iterable[str]) -> dict[str, str]:
    """Organization of each of some runs that exist, by id."""
    query = select(RunRow.id, RunRow.organization).where(RunRow.id.in_(list(run_ids)))
    return {row.id: row.organization for row in db.execute(query)}


def find_newest_run(stores: Stores, model_id: str, *, completed_only: bool = False) -> TrainingRun | None:
    """The most recent run of a model, or the most recent completed one; None where there is none."""
    query = _of_model(stores, model_id)
    if completed_only:
        query = query.where(RunRow.status == str(RunStatus.COMPLETED))
    row = stores.db.scalars(query.order_by(RunRow.created_at.desc(), RunRow.id.desc()).limit(1)).first()
    return record_of(stores, row) if row else None


def list_runs(
    stores: Stores,
    model_id: str,
    *,
    status: str | None,
    sort_by: str,
    descending: bool,
    page: int,
    page_size: int,
) -> Page:
    """One page of a model's runs.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        status: Only runs of this status.
        sort_by: ``created_at`` or ``duration_seconds``; runs that have not started come last by duration.
        descending: Newest or longest first.
        page: Which page, from 1.
        page_size: Longest page.
    """
    query = _of_model(stores, model_id)
    if status is not None:
        query = query.where(RunRow.status == status)
    total = stores.db.scalar(select(func.count()).select_from(query.subquery())) or 0
    column = RunRow.created_at if sort_by == "created_at" else RunRow.elapsed_s
    order = (column.desc(), RunRow.id.desc()) if descending else (column, RunRow.id)
    rows = stores.db.scalars(query.order_by(*order).offset((page - 1) * page_size).limit(page_size))
    return Page(total, page, page_size, [record_of(stores, row) for row in rows])


def count_ended(
    stores: Stores, is_counted: Callable[[InstrumentedAttribute[Any]], ColumnElement[bool]], *, since: datetime
) -> tuple[int, int]:
    """How many runs of some models completed, and how many failed, from a time on.

    Args:
        stores: Open stores.
        is_counted: Condition on a column of model ids.
        since: From when on their end counts.
    """
    ended = (RunStatus.COMPLETED, RunStatus.FAILED)
    query = select(RunRow.status, func.count()).where(
        RunRow.organization == stores.organization,
        RunRow.status.in_([str(status) for status in ended]),
        RunRow.completed_at >= since,
        is_counted(RunRow.model_id),
    )
    counts = {status: count for status, count in stores.db.execute(query.group_by(RunRow.status))}  # noqa: C416  typed
    return counts.get(str(RunStatus.COMPLETED), 0), counts.get(str(RunStatus.FAILED), 0)


def find_row(stores: Stores, run_id: str, *, model_id: str | None = None, lock: bool = False) -> RunRow:
    """The row of a run of the organization.

    Raises:
        RunNotFound: There is none, or it is another model's.
    """
    if not is_run_id(run_id):
        raise RunNotFound(f"There is no run {run_id!r} of this model.")
    query = select(RunRow).where(RunRow.id == run_id, RunRow.organization == stores.organization)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = stores.db.scalars(query).first()
    if row is None or (model_id is not None and row.model_id != model_id):
        raise RunNotFound(f"There is no run {run_id!r} of this model.")
    return row


def record_of(stores: Stores, row: RunRow) -> TrainingRun:
    """The run a row stands for, with its place in the queue while it waits."""
    position, starts_at = forecast(stores, row) if row.status == RunStatus.QUEUED else (None, None)
    return TrainingRun(
        run_id=row.id,
        model_id=row.model_id,
        status=RunStatus(row.status),
        run_label=row.label,
        priority=PRIORITIES[row.priority],
        estimated_start_time=starts_at,
        created_at=row.created_at,
        kind=row.kind,
        trigger=row.trigger,
        created_by=row.created_by,
        queue_position=position,
        pending_action=row.pending_action,
        phase=Phase(row.phase) if row.phase else None,
        progress=row.progress,
        started_at=row.started_at,
        completed_at=row.completed_at,
        duration_seconds=round(row.elapsed_s, 3) if row.started_at else None,
        timeout_seconds=row.timeout_s,
        config=row.config,
        config_override=row.config_override,
        dataset_id=row.dataset_id,
        dataset_rows=row.dataset_rows,
        dataset_fingerprint=row.dataset_fingerprint,
        version_produced=version_id_of(row.version_number) if row.version_number else None,
        algorithm=row.algorithm,
        mlflow_run_id=row.mlflow_run_id,
        retry_of=row.retry_of,
        cancel_reason=row.cancel_reason,
        failure=Failure(**row.failure) if row.failure else None,
        stage_seconds=row.stage_seconds,
        peak_cpu_percent=row.peak_cpu_percent,
        peak_memory_mb=row.peak_memory_mb,
        worker_type=row.worker_type,
    )


def _of_model(stores: Stores, model_id: str) -> Select[RunRow]:
    return select(RunRow).where(RunRow.model_id == model_id, RunRow.organization == stores.organization)
