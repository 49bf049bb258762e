"""How runs end: completed, failed or cancelled, each with its last message, the model's state and the audit."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from studio.audit import service as audit
from studio.backends.stores import Stores
from studio.datasets import service as datasets
from studio.domain.actors import system_actor
from studio.domain.run_records import Failure
from studio.domain.runs import EventType, Phase, RunStatus
from studio.domain.versions import ModelVersion
from studio.errors import ModelNotFound
from studio.models import service as models
from studio.training.service.events import append_events
from studio.training.service.notices import tell_completion, tell_failure
from studio.training.service.runs import find_row
from studio.training.tables import RunRow
from studio.versions import service as versions

UNFINISHED = [str(status) for status in RunStatus if not status.is_finished]


def complete_run(
    stores: Stores, run_id: str, *, version: ModelVersion, timed_out: bool, stage_seconds: Mapping[str, float]
) -> None:
    """A run has made a version. One stopped by its timeout ends ``cancelled`` all the same. Safe to repeat.

    Args:
        stores: Open stores.
        run_id: Id of the run.
        version: What it made.
        timed_out: Whether its timeout cut the search short.
        stage_seconds: Seconds per phase.
    """
    row = find_row(stores, run_id, lock=True)
    row.version_number, row.algorithm, row.stage_seconds = (
        version.number,
        version.algorithm,
        dict(stage_seconds),
    )
    if RunStatus(row.status).is_finished:
        return
    if timed_out:
        end_cancelled(stores, row, reason="timeout", audited=True)
        return
    row.phase, row.progress = Phase.ARTIFACT_UPLOAD, 1.0
    done = {"version_id": version.id, "metrics": dict(version.metrics), "algorithm": version.algorithm}
    _end(stores, row, RunStatus.COMPLETED, EventType.COMPLETED, done, failed=False)
    _audit(stores, row, "model.training_completed", version_id=version.id, algorithm=version.algorithm)
    tell_completion(stores, row, version)


def fail_run(stores: Stores, run_id: str, failure: Failure) -> None:
    """A run has failed. Safe to repeat."""
    row = find_row(stores, run_id, lock=True)
    if RunStatus(row.status).is_finished:
        return
    told = {"code": failure.code, "message": failure.message, "stage": failure.stage}
    row.failure = told
    _end(stores, row, RunStatus.FAILED, EventType.FAILED, told, failed=True)
    _audit(stores, row, "model.training_failed", failure=told)
    tell_failure(stores, row, failure)


def end_cancelled(stores: Stores, row: RunRow, *, reason: str, audited: bool = False) -> None:
    """A run is cancelled for good.

    Args:
        stores: Open stores.
        row: The run, locked.
        reason: ``user``, ``timeout`` or ``model_deleted``.
        audited: Whether the system writes the audit entry; a caller's own request has its entry already.
    """
    row.cancel_reason = reason
    _end(stores, row, RunStatus.CANCELLED, EventType.CANCELLED, {}, failed=False)
    if audited:
        _audit(stores, row, "model.training_cancelled", reason=reason)


def cancel_orphan(stores: Stores, run_id: str, *, reason: str) -> None:
    """Cancel a run whose process is gone: asked for, timed out, or its model deleted. Safe to repeat."""
    row = find_row(stores, run_id, lock=True)
    if not RunStatus(row.status).is_finished:
        end_cancelled(stores, row, reason=reason, audited=reason != "user")


@models.ends_before_deletion
def cancel_unfinished(stores: Stores, model_id: str) -> None:
    """Cancel every run of a model that is about to be deleted, those with a process included. Safe to repeat.

    A process ends as soon as its worker next looks after it. Until then the row keeps the worker's lease, for which
    the removal of what the run has written waits.
    """
    of_model = RunRow.model_id == model_id, RunRow.organization == stores.organization
    query = select(RunRow).where(*of_model, RunRow.status.in_(UNFINISHED)).order_by(RunRow.id)
    for row in stores.db.scalars(query.with_for_update().execution_options(populate_existing=True)).all():
        held = row.worker_id, row.lease_until
        end_cancelled(stores, row, reason="model_deleted", audited=True)
        row.worker_id, row.lease_until = held
    stores.db.flush()


def _end(
    stores: Stores, row: RunRow, status: RunStatus, kind: EventType, told: Mapping[str, Any], *, failed: bool
) -> None:
    row.status, row.completed_at = str(status), stores.now()
    row.pending_action = row.lease_until = row.worker_id = None
    append_events(stores, row.id, [(EventType.STATE, {"status": status}), (kind, told)])
    datasets.release_dataset(stores, row.id)
    try:
        if status is not RunStatus.COMPLETED:
            versions.close_unfinished_version(stores, row.model_id, row.id)
        ready = versions.has_ready_version(stores, row.model_id)
        models.end_training(stores, row.model_id, failed=failed, has_ready_version=ready)
    except ModelNotFound:
        pass  # deleted meanwhile: the run only has to stop


def _audit(stores: Stores, row: RunRow, action: str, **details: Any) -> None:
    audit.append_entry(
        stores, action, model_id=row.model_id, details={"run_id": row.id, **details},
        actor=system_actor(row.organization),
    )  # fmt: skip
