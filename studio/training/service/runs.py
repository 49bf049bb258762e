"""Finds runs and turns their rows into records."""

from datetime import datetime, timedelta

from sqlalchemy import Select, func, or_, select

from studio.backends.stores import Stores
from studio.domain.identifiers import is_run_id
from studio.domain.pages import Page
from studio.domain.run_records import Failure, TrainingRun
from studio.domain.runs import Phase, Priority, RunStatus
from studio.domain.versions import version_id_of
from studio.errors import RunNotFound
from studio.training.tables import RunRow

PRIORITIES = (Priority.HIGH, Priority.NORMAL, Priority.LOW)
USUAL_RUN_S = 300.0  # before a model has any completed run to go by
RECENT_RUNS = 20


def get_run(stores: Stores, model_id: str, run_id: str) -> TrainingRun:
    """One run of a model.

    Raises:
        RunNotFound: The model has no such run.
    """
    return record_of(stores, find_row(stores, run_id, model_id=model_id))


def find_run(stores: Stores, run_id: str) -> TrainingRun:
    """One run of the organization, whatever its model. Raises RunNotFound."""
    return record_of(stores, find_row(stores, run_id))


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
    position, starts_at = _forecast(stores, row) if row.status == RunStatus.QUEUED else (None, None)
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


def _forecast(stores: Stores, row: RunRow) -> tuple[int, datetime]:
    """Place in the queue of all organizations, and when the runs ahead will probably have ended."""
    is_ahead = or_(
        RunRow.priority < row.priority,
        (RunRow.priority == row.priority) & (RunRow.rank < row.rank),
        (RunRow.priority == row.priority) & (RunRow.rank == row.rank) & (RunRow.id < row.id),
    )
    ahead = stores.db.scalars(select(RunRow).where(RunRow.status == str(RunStatus.QUEUED), is_ahead)).all()
    running = stores.db.scalars(select(RunRow).where(RunRow.status == str(RunStatus.RUNNING))).all()
    usual_s = _usual_duration_s(stores)
    seats = max(stores.config.concurrent_runs, 1)
    free_in = sorted(max(_expected_s(run, usual_s) - run.elapsed_s, 1.0) for run in running)[:seats]
    free_in += [0.0] * (seats - len(free_in))
    for run in sorted(ahead, key=lambda other: (other.priority, other.rank, other.id)):
        free_in = sorted([free_in[0] + _expected_s(run, usual_s), *free_in[1:]])
    return len(ahead) + 1, stores.now() + timedelta(seconds=free_in[0])


def _expected_s(run: RunRow, usual_s: float) -> float:
    budget = (run.config.get("search") or {}).get("time_budget_seconds")
    return float(min(budget or usual_s, run.timeout_s))


def _usual_duration_s(stores: Stores) -> float:
    recent = (
        select(RunRow.elapsed_s)
        .where(RunRow.status == str(RunStatus.COMPLETED))
        .order_by(RunRow.created_at.desc())
        .limit(RECENT_RUNS)
    )
    durations = sorted(stores.db.scalars(recent))
    return durations[len(durations) // 2] if durations else USUAL_RUN_S
