"""Reads deployments."""

from sqlalchemy import func, select

from studio.backends.stores import Stores
from studio.deployments.service.rows import find_row, has_worker, record_of
from studio.deployments.tables import DeploymentRow
from studio.domain.deployments import Deployment, DeploymentStatus
from studio.domain.pages import Page
from studio.models import service as models


def get_deployment(stores: Stores, model_id: str, deployment_id: str) -> Deployment:
    """One deployment of a model, stopped ones too.

    Raises:
        DeploymentNotFound: The model has no such deployment.
    """
    return record_of(stores, find_row(stores, model_id, deployment_id))


def list_deployments(
    stores: Stores, model_id: str, *, status: DeploymentStatus | None, page: int, page_size: int
) -> Page:
    """One page of the deployments of a model, newest first.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        status: Only those of this status; None for all that are not stopped.
        page: From 1.
        page_size: Most items.

    Raises:
        ModelNotFound: There is no such model.
    """
    models.get_model(stores, model_id)
    wanted = _kept_statuses(stores, status)
    found = select(DeploymentRow).where(DeploymentRow.model_id == model_id, DeploymentRow.status.in_(wanted))
    total = stores.db.scalar(select(func.count()).select_from(found.subquery())) or 0
    newest = found.order_by(DeploymentRow.created_at.desc(), DeploymentRow.id.desc())
    rows = stores.db.scalars(newest.offset((page - 1) * page_size).limit(page_size))
    return Page(total, page, page_size, [record_of(stores, row) for row in rows])


def _kept_statuses(stores: Stores, status: DeploymentStatus | None) -> list[str]:
    """The statuses rows are kept under whose records show the one that is asked for."""
    if status is None:
        return [kept for kept in DeploymentStatus if kept is not DeploymentStatus.STOPPED]
    if status in (DeploymentStatus.HEALTHY, DeploymentStatus.DEGRADED) and not has_worker(stores):
        return [] if status is DeploymentStatus.HEALTHY else [DeploymentStatus.HEALTHY, DeploymentStatus.DEGRADED]
    return [status]
