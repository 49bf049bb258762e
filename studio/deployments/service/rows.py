"""Finds rows of deployments and turns them into records."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import select

from studio.backends.stores import Stores
from studio.deployments.tables import DeploymentRow
from studio.domain.deployments import ACTIVE, AutoRollback, Deployment, DeploymentStatus, Strategy
from studio.domain.identifiers import is_id
from studio.domain.versions import version_id_of
from studio.errors import DeploymentNotFound, DeploymentStopped
from studio.training import service as training

NO_WORKER = "No worker is running, which keeps the processes of its model alive."


def find_row(stores: Stores, model_id: str, deployment_id: str, *, lock: bool = False) -> DeploymentRow:
    """The row of one deployment of a model.

    Args:
        stores: Open stores.
        model_id: Id of the model, which the caller may see.
        deployment_id: Its id.
        lock: Whether it is about to be changed: others that change it wait until this transaction ends.

    Raises:
        DeploymentNotFound: The model has no such deployment.
    """
    if not is_id("deployment", deployment_id):
        raise DeploymentNotFound(deployment_id)
    row = stores.db.get(DeploymentRow, deployment_id, with_for_update=lock, populate_existing=lock)
    if row is None or row.model_id != model_id or row.organization != stores.organization:
        raise DeploymentNotFound(deployment_id)
    return row


def find_active(stores: Stores, model_id: str) -> list[DeploymentRow]:
    """The active deployments of a model."""
    query = select(DeploymentRow).where(DeploymentRow.model_id == model_id, DeploymentRow.status.in_(ACTIVE))
    return list(stores.db.scalars(query.order_by(DeploymentRow.created_at, DeploymentRow.id)))


def refuse_inactive(row: DeploymentRow) -> None:
    """Raise DeploymentStopped for one that serves nothing any more."""
    if row.status not in ACTIVE:
        raise DeploymentStopped(f"Deployment {row.id} is {row.status}; create another one.")


def has_worker(stores: Stores) -> bool:
    """Whether anybody keeps the processes of deployments alive."""
    return training.is_worker_alive(stores.db, now=stores.now())


def record_of(stores: Stores, row: DeploymentRow) -> Deployment:
    """The record of a row; one that was healthy is degraded while no worker looks after it."""
    status, message = DeploymentStatus(row.status), row.message or row.note
    if status in ACTIVE and not has_worker(stores):
        status = DeploymentStatus.DEGRADED if status is DeploymentStatus.HEALTHY else status
        message = NO_WORKER
    return Deployment(
        id=row.id,
        model_id=row.model_id,
        name=row.name,
        status=status,
        status_message=message,
        version_id=version_id_of(row.version),
        follows_promoted=row.follows_promoted,
        strategy=Strategy(row.strategy),
        traffic_percent=row.traffic_percent,
        replicas=row.replicas,
        auto_rollback=AutoRollback(**row.auto_rollback),
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
    )


def pack_limits(limits: AutoRollback) -> dict[str, Any]:
    """The limits of a deployment as its row keeps them."""
    return asdict(limits)


def change(stores: Stores, row: DeploymentRow, **facts: Any) -> None:
    """Change what is wanted of a deployment, which the worker then brings about."""
    for name, value in facts.items():
        setattr(row, name, value)
    row.revision += 1
    row.updated_at = max(stores.now(), row.updated_at)
    stores.db.flush()


def describe(row: DeploymentRow) -> Mapping[str, Any]:
    """What of a deployment people may choose, under the names of the API; for the audit."""
    return {
        "name": row.name,
        "version_id": None if row.follows_promoted else version_id_of(row.wanted_version),
        "strategy": row.strategy,
        "traffic_percent": row.traffic_percent,
        "replicas": row.replicas,
        "auto_rollback": dict(row.auto_rollback),
    }


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What changed between two descriptions, each with its previous and new value."""
    return {name: {"previous": before[name], "new": new} for name, new in after.items() if before[name] != new}
