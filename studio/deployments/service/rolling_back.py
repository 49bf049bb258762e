"""Takes deployments back to what they served before."""

from studio.backends.stores import Stores
from studio.deployments.service.changing import end
from studio.deployments.service.rows import change, find_row, record_of, refuse_inactive
from studio.deployments.tables import DeploymentRow
from studio.domain.deployments import Deployment, Strategy
from studio.domain.versions import VersionStatus, version_id_of
from studio.errors import NoPreviousVersion
from studio.models import service as models
from studio.versions import service as versions


def rollback_deployment(
    stores: Stores, model_id: str, deployment_id: str, *, reason: str | None = None, automatic: bool = False
) -> Deployment:
    """Return a direct deployment to the version it served before, and pin it; stop a canary or shadow.

    Deleted versions are passed over. Two rollbacks in a row end where they began; automatic ones never return to a
    version that another of them has left.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        deployment_id: Id of the deployment.
        reason: Why, for the audit and the deployment's message.
        automatic: Whether the service does it by itself.

    Raises:
        ModelNotFound: There is no such model.
        DeploymentNotFound: It has no such deployment.
        DeploymentStopped: It is stopped, or failed.
        NoPreviousVersion: It never served another version that is still there.
    """
    versions.hold_registry(stores, model_id)
    models.lock_model(stores, model_id)
    row = find_row(stores, model_id, deployment_id, lock=True)
    refuse_inactive(row)
    note = f"Rolled back from {version_id_of(row.version)}{': ' + reason if reason else '.'}"
    details = {"deployment_id": row.id, "strategy": row.strategy, "reason": reason}
    details["previous_version_id"] = version_id_of(row.version)
    if row.strategy != Strategy.DIRECT:
        end(stores, row, note=note)
        stores.record_change(model_id, new_version_id=None, stopped=True, **details)
        return record_of(stores, row)
    target = _find_target(stores, row, passing_over=row.condemned if automatic else [])
    if row.wanted_version != target or row.follows_promoted:
        condemned = sorted({*row.condemned, row.version}) if automatic else row.condemned
        change(stores, row, wanted_version=target, follows_promoted=False, condemned=condemned, note=note)
        stores.record_change(model_id, new_version_id=version_id_of(target), stopped=False, **details)
    return record_of(stores, row)


def _find_target(stores: Stores, row: DeploymentRow, *, passing_over: list[int]) -> int:
    name = models.get_model(stores, row.model_id).name
    ready = {
        version.number
        for version in stores.registry.list_versions(name)
        if version.status is VersionStatus.READY and version.number not in passing_over
    }
    for number in reversed(row.history):
        if number != row.version and number in ready:
            return int(number)
    raise NoPreviousVersion("This deployment served no other version before that could be served again.")
