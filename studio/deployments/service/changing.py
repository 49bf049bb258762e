"""Changes and stops deployments."""

from collections.abc import Mapping
from typing import Any

from studio.backends.stores import Stores
from studio.deployments.service.creating import choose_name, find_version_to_follow, refuse_unready
from studio.deployments.service.rows import (
    change,
    describe,
    differences,
    find_active,
    find_row,
    pack_limits,
    record_of,
    refuse_inactive,
)
from studio.deployments.tables import DeploymentRow
from studio.domain.deployments import TRAFFIC_RULES, Deployment, DeploymentStatus, Strategy
from studio.errors import DeploymentInUse, DeploymentNotHealthy, DeploymentStopped, InvalidInput, NotACanary
from studio.models import service as models
from studio.versions import service as versions


def update_deployment(stores: Stores, model_id: str, deployment_id: str, changes: Mapping[str, Any]) -> Deployment:
    """Change a deployment; another version is loaded beside the one that is served and then takes over.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        deployment_id: Id of the deployment.
        changes: Any of ``name``, ``version_id`` (None to follow the promoted version), ``traffic_percent``,
            ``replicas`` and ``auto_rollback`` (all its limits).

    Raises:
        ModelNotFound: There is no such model.
        DeploymentNotFound: It has no such deployment.
        InvalidInput: The share of the traffic is not one its strategy allows.
        VersionNotFound: The model has no such version.
        DeploymentStopped: It is stopped, or failed.
        DeploymentNameTaken: Another active deployment has the name.
        NoVersion: It is to follow the promoted version, and there is none.
        VersionNotReady: The version is not ready.
    """
    versions.hold_registry(stores, model_id)
    models.lock_model(stores, model_id)
    row = find_row(stores, model_id, deployment_id, lock=True)
    if "traffic_percent" in changes:
        check_traffic(Strategy(row.strategy), changes["traffic_percent"])
    version_id = changes.get("version_id")
    asked_for = versions.find_version(stores, model_id, version_id) if version_id is not None else None
    refuse_inactive(row)
    before = describe(row)
    facts: dict[str, Any] = {}
    if "name" in changes and changes["name"] != row.name:
        others = [other for other in find_active(stores, model_id) if other.id != row.id]
        facts["name"] = choose_name(changes["name"], Strategy(row.strategy), others)
    if "version_id" in changes:
        version = asked_for or find_version_to_follow(stores, model_id)
        refuse_unready(version)
        facts |= {"wanted_version": version.number, "follows_promoted": asked_for is None}
    facts |= {name: changes[name] for name in ("traffic_percent", "replicas") if name in changes}
    if "auto_rollback" in changes:
        facts["auto_rollback"] = pack_limits(changes["auto_rollback"])
    changed = {name: value for name, value in facts.items() if getattr(row, name) != value}
    if changed:
        change(stores, row, note=None, **changed)
        stores.record_change(model_id, deployment_id=row.id, changes=differences(before, describe(row)))
    return record_of(stores, row)


def stop_deployment(stores: Stores, model_id: str, deployment_id: str) -> None:
    """Stop a deployment; its processes end once they have answered what waits for them.

    Raises:
        ModelNotFound: There is no such model.
        DeploymentNotFound: It has no such deployment.
        DeploymentStopped: It is stopped.
        DeploymentInUse: It is the direct one, and an active canary or shadow depends on it.
    """
    models.lock_model(stores, model_id)
    row = find_row(stores, model_id, deployment_id, lock=True)
    if row.status == DeploymentStatus.STOPPED:
        raise DeploymentStopped(f"Deployment {row.id} is stopped already.")
    if row.strategy == Strategy.DIRECT:
        dependent = [other.id for other in find_active(stores, model_id) if other.strategy != Strategy.DIRECT]
        if dependent and row.id in {other.id for other in find_active(stores, model_id)}:
            raise DeploymentInUse(f"{', '.join(dependent)} depend on it; stop them first.")
    stores.record_change(model_id, deployment_id=row.id, previous_status=row.status, **describe(row))
    end(stores, row, note=None)


def promote_canary(stores: Stores, model_id: str, deployment_id: str) -> Deployment:
    """Give a canary all the traffic; the direct deployment so far stops. The promoted version stays as it is.

    Raises:
        ModelNotFound: There is no such model.
        DeploymentNotFound: It has no such deployment.
        DeploymentStopped: It is stopped, or failed.
        NotACanary: It is none.
        DeploymentNotHealthy: It does not answer as it should.
    """
    models.lock_model(stores, model_id)
    row = find_row(stores, model_id, deployment_id, lock=True)
    refuse_inactive(row)
    if row.strategy != Strategy.CANARY:
        raise NotACanary(f"Deployment {row.id} is a {row.strategy} one; only a canary can be promoted.")
    record = record_of(stores, row)
    if record.status is not DeploymentStatus.HEALTHY:
        told = f": {record.status_message}" if record.status_message else "."
        raise DeploymentNotHealthy(f"Deployment {row.id} is {record.status}{told}")
    before = describe(row)
    former = [other for other in find_active(stores, model_id) if other.strategy == Strategy.DIRECT]
    for other in former:
        end(stores, other, note=f"Replaced by {row.id}, which was its canary.")
    traffic_percent = TRAFFIC_RULES[Strategy.DIRECT].default
    change(stores, row, strategy=str(Strategy.DIRECT), traffic_percent=traffic_percent, note=None)
    stores.record_change(
        model_id, deployment_id=row.id, changes=differences(before, describe(row)),
        stopped_deployment_ids=[other.id for other in former],
    )  # fmt: skip
    return record_of(stores, row)


def end(stores: Stores, row: DeploymentRow, *, note: str | None) -> None:
    """Have a deployment serve nothing any more."""
    change(stores, row, status=str(DeploymentStatus.STOPPED), message=None, note=note)


def check_traffic(strategy: Strategy, percent: int) -> None:
    """Refuse a share of the traffic that a strategy does not allow. Raises InvalidInput."""
    rule = TRAFFIC_RULES[strategy]
    if not rule.least <= percent <= rule.most:
        message = f"must be {rule.least}" if rule.least == rule.most else f"must be {rule.least} to {rule.most}"
        fault = f"{message} for a {strategy} deployment"
        raise InvalidInput(f"traffic_percent {fault}.", fields=[("/traffic_percent", fault)])
