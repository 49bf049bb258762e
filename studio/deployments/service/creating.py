"""Creates deployments."""

from collections.abc import Sequence

from studio.backends.stores import Stores
from studio.db.inserting import unused_id
from studio.deployments.service.rows import describe, find_active, pack_limits, record_of
from studio.deployments.tables import DeploymentRow
from studio.domain.deployments import TRAFFIC_RULES, AutoRollback, Deployment, DeploymentStatus, Strategy
from studio.domain.identifiers import new_id
from studio.domain.versions import ModelVersion, VersionStatus
from studio.errors import DeploymentExists, DeploymentNameTaken, NoDirectDeployment, NoVersion, VersionNotReady
from studio.models import service as models
from studio.versions import service as versions


def create_deployment(
    stores: Stores,
    model_id: str,
    *,
    name: str | None = None,
    version_id: str | None = None,
    strategy: Strategy = Strategy.DIRECT,
    traffic_percent: int | None = None,
    replicas: int = 1,
    auto_rollback: AutoRollback | None = None,
) -> Deployment:
    """Have a version served; the worker starts its processes.

    Args:
        stores: Open stores of the current request.
        model_id: Id of the model.
        name: Unique among the model's active deployments; None for one made from the strategy.
        version_id: The version to serve; None to follow the promoted one.
        strategy: Which part of the traffic it gets.
        traffic_percent: Within what the strategy allows; None for its default.
        replicas: Processes that answer, 1..8.
        auto_rollback: What it must not exceed.

    Returns:
        The deployment, starting.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: It has no such version.
        ModelArchived: It is archived.
        DeploymentExists: It has as many active deployments of the strategy as there may be.
        NoDirectDeployment: A canary or a shadow needs an active direct one.
        DeploymentNameTaken: Another active deployment has the name.
        NoVersion: It is to follow the promoted version, and there is none.
        VersionNotReady: The version is not ready.
    """
    versions.hold_registry(stores, model_id)
    asked_for = versions.find_version(stores, model_id, version_id) if version_id is not None else None
    models.lock_for_change(stores, model_id)
    active = find_active(stores, model_id)
    _refuse_crowd(strategy, active)
    chosen_name = choose_name(name, strategy, active)
    version = asked_for or find_version_to_follow(stores, model_id)
    refuse_unready(version)
    row = DeploymentRow(
        id=unused_id(stores.db, DeploymentRow, lambda: new_id("deployment")),
        organization=stores.organization,
        model_id=model_id,
        name=chosen_name,
        strategy=str(strategy),
        traffic_percent=TRAFFIC_RULES[strategy].default if traffic_percent is None else traffic_percent,
        replicas=replicas,
        auto_rollback=pack_limits(auto_rollback or AutoRollback()),
        follows_promoted=version_id is None,
        version=version.number,
        wanted_version=version.number,
        history=[],
        condemned=[],
        status=str(DeploymentStatus.STARTING),
        revision=1,
        created_at=stores.now(),
        created_by=stores.actor.user_id or str(stores.actor.type),
        updated_at=stores.now(),
    )
    stores.db.add(row)
    stores.db.flush()
    stores.record_change(model_id, deployment_id=row.id, **{**describe(row), "served_version_id": version.id})
    return record_of(stores, row)


def choose_name(name: str | None, strategy: Strategy, others: Sequence[DeploymentRow]) -> str:
    """A name among other active deployments, made from the strategy where none is given.

    Raises:
        DeploymentNameTaken: One of them has it.
    """
    taken = {row.name for row in others}
    if name is not None:
        if name in taken:
            raise DeploymentNameTaken(name)
        return name
    base = TRAFFIC_RULES[strategy].default_name
    return next(made for made in (base, *(f"{base}-{n}" for n in range(2, len(taken) + 3))) if made not in taken)


def find_version_to_follow(stores: Stores, model_id: str) -> ModelVersion:
    """The promoted version. Raises NoVersion where there is none."""
    promoted = versions.find_promoted(stores, model_id)
    if promoted is None:
        raise NoVersion("No version is promoted; promote one, or name one with version_id.")
    return promoted


def refuse_unready(version: ModelVersion) -> None:
    """Raise VersionNotReady for a version that cannot be served."""
    if version.status is not VersionStatus.READY:
        raise VersionNotReady(version.id, version.status)


def _refuse_crowd(strategy: Strategy, active: Sequence[DeploymentRow]) -> None:
    most = TRAFFIC_RULES[strategy].at_once
    held = [row.id for row in active if row.strategy == strategy]
    if len(held) >= most:
        there = f"an active {strategy} deployment" if most == 1 else f"{most} active {strategy} deployments"
        raise DeploymentExists(f"The model has {there} already: {', '.join(held)}; change or stop one of them.")
    if strategy is not Strategy.DIRECT and not any(row.strategy == Strategy.DIRECT for row in active):
        raise NoDirectDeployment(f"A {strategy} deployment needs an active direct one beside it; create that first.")
