"""Reads where the requests of a model go."""

from sqlalchemy import select

from studio.backends.serving.routes import Route
from studio.db.session import Database
from studio.deployments.tables import DeploymentRow
from studio.domain.deployments import ACTIVE
from studio.domain.versions import version_id_of


def read_routes(database: Database, model_id: str) -> list[Route]:
    """The active deployments of a model, whoever may see it; those that were made first come first.

    Raises:
        BackendDown: The database does not answer.
    """
    query = select(DeploymentRow).where(DeploymentRow.model_id == model_id, DeploymentRow.status.in_(ACTIVE))
    with database.transaction(write=False) as db:
        rows = db.scalars(query.order_by(DeploymentRow.created_at, DeploymentRow.id)).all()
        return [_route(row) for row in rows]


def host_keys(deployment_id: str, version: int, replicas: int) -> tuple[str, ...]:
    """Names of the hosts of a deployment's version."""
    return tuple(f"{deployment_id}/{version_id_of(version)}/{number}" for number in range(1, replicas + 1))


def _route(row: DeploymentRow) -> Route:
    return Route(
        deployment_id=row.id,
        model_id=row.model_id,
        version_id=version_id_of(row.version),
        strategy=row.strategy,
        traffic_percent=row.traffic_percent,
        keys=host_keys(row.id, row.version, row.replicas),
        is_serving=row.served_since is not None,
    )
