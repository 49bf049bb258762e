"""Keeps versions and models that are served from being deleted or put away."""

from studio.backends.stores import Stores
from studio.deployments.service.rows import find_active
from studio.domain.versions import version_id_of
from studio.errors import ModelDeployed, VersionDeployed
from studio.models import service as models
from studio.versions import service as versions


@versions.refuses_deletion
def refuse_served_version(stores: Stores, model_id: str, number: int) -> None:
    """Refuse a version that an active deployment serves, or is about to.

    Raises:
        VersionDeployed: One does; the message names it.
    """
    users = [row.id for row in find_active(stores, model_id) if number in (row.version, row.wanted_version)]
    if users:
        message = f"Version {version_id_of(number)} is served by {', '.join(users)}; have it serve another, or stop it."
        raise VersionDeployed(message)


@models.refuses_removal
def refuse_served_model(stores: Stores, model_id: str) -> None:
    """Refuse a model that has an active deployment.

    Raises:
        ModelDeployed: It has; the message names it.
    """
    users = [row.id for row in find_active(stores, model_id)]
    if users:
        raise ModelDeployed(f"The model is served by {', '.join(users)}; stop that first.")
