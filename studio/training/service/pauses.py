"""Pausing a run and letting it go on."""

from sqlalchemy import func, select

from studio.backends.stores import Stores
from studio.domain.run_records import TrainingRun
from studio.domain.runs import EventType, Phase, RunStatus
from studio.errors import RunStateConflict
from studio.training.service.events import append_events
from studio.training.service.runs import find_row, record_of
from studio.training.tables import RunRow

PAST_TRIALS = (Phase.EVALUATION, Phase.ARTIFACT_UPLOAD)


def pause_run(stores: Stores, model_id: str, run_id: str) -> TrainingRun:
    """Ask a running search to pause after the trials in progress.

    One whose trials are over cannot pause any more: it ends within moments. If they end between this call and the
    worker's next look, the run completes and the wish with it.

    Raises:
        RunNotFound: The model has no such run.
        RunStateConflict: It is not running, is no search, is past its trials, or was asked something already.
    """
    row = find_row(stores, run_id, model_id=model_id, lock=True)
    reason = _what_hinders(row)
    if reason is not None:
        raise RunStateConflict(f"Run {run_id} {reason}; only a running search can be paused.")
    row.pending_action = "pause"
    stores.record_change(model_id, run_id=run_id, status=row.status)
    stores.db.flush()
    return record_of(stores, row)


def resume_run(stores: Stores, model_id: str, run_id: str) -> TrainingRun:
    """Put a paused run at the head of its priority's queue.

    Raises:
        RunNotFound: The model has no such run.
        RunStateConflict: It is not paused.
    """
    row = find_row(stores, run_id, model_id=model_id, lock=True)
    if row.status != RunStatus.PAUSED:
        raise RunStateConflict(f"Run {run_id} is {row.status}; only a paused one can be resumed.")
    first = stores.db.scalar(
        select(func.min(RunRow.rank)).where(RunRow.status == str(RunStatus.QUEUED), RunRow.priority == row.priority)
    )
    now = stores.now().timestamp()
    row.status, row.rank = str(RunStatus.QUEUED), min(now, first if first is not None else now) - 1.0
    append_events(stores, run_id, [(EventType.STATE, {"status": RunStatus.QUEUED})])
    stores.record_change(model_id, run_id=run_id, status=str(RunStatus.PAUSED))
    stores.db.flush()
    return record_of(stores, row)


def settle_pause(stores: Stores, run_id: str, *, elapsed_s: float | None = None) -> bool:
    """A run's process is gone or about to go: the run is paused if that was asked. Safe to repeat.

    Args:
        stores: Open stores.
        run_id: Id of the run.
        elapsed_s: Its running time so far, None where the last one noted stands.

    Returns:
        Whether it is paused now.
    """
    row = find_row(stores, run_id, lock=True)
    if row.status != RunStatus.RUNNING or row.pending_action != "pause":
        return row.status == RunStatus.PAUSED
    row.status = str(RunStatus.PAUSED)
    row.pending_action = row.lease_until = row.worker_id = None
    row.attempts = 0  # a pause is no failed start
    if elapsed_s is not None:
        row.elapsed_s = round(elapsed_s, 3)
    append_events(stores, run_id, [(EventType.STATE, {"status": RunStatus.PAUSED})])
    return True


def is_asked_to_pause(stores: Stores, run_id: str) -> bool:
    """Whether a run is to pause."""
    asked = select(RunRow.pending_action).where(RunRow.id == run_id, RunRow.organization == stores.organization)
    return stores.db.scalar(asked) == "pause"


def _what_hinders(row: RunRow) -> str | None:
    if row.status != RunStatus.RUNNING:
        return f"is {row.status}"
    if row.kind != "auto":
        return f"is of kind {row.kind}"
    if row.pending_action is not None:
        return f"was asked to {row.pending_action} already"
    if row.phase in PAST_TRIALS:
        return "has ended its trials"
    return None
