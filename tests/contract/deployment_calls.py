"""Calls about deployments."""

from studio.deployments import service as deployments
from studio.deployments.tables import DeploymentRow
from studio.domain.deployments import Strategy
from studio.versions import service as versions
from tests.contract.calls import Call, on, prepares


def promoted(place):
    """Id of a new model with a version in production."""
    model_id = place.make_model()
    version_id = place.add_version(model_id)
    with place.open() as stores:
        versions.promote_version(stores, model_id, version_id)
    return model_id


def served(place):
    """A call about a new deployment of a new model."""
    model_id = promoted(place)
    with place.open() as stores:
        made = deployments.create_deployment(stores, model_id)
    return on(model_id, deployment_id=made.id)


@prepares("deployment.create")
def deployment_create(place):
    body, other = ({"json": {"name": name}} for name in ("live", "main"))
    return Call(on(promoted(place)).path, body=body, other=other)


@prepares("deployment.list", "deployment.get", "deployment.delete")
def deployment_get(place):
    return served(place)


@prepares("deployment.update")
def deployment_update(place):
    return Call(served(place).path, body={"json": {"replicas": 2, "auto_rollback": {"max_error_rate": 0.1}}})


@prepares("deployment.promote")
def deployment_promote(place):
    call = served(place)
    with place.open() as stores:
        made = deployments.create_deployment(stores, call.path["model_id"], strategy=Strategy.CANARY)
        stores.db.get(DeploymentRow, made.id).status = "healthy"  # as the worker finds it
    return on(call.path["model_id"], deployment_id=made.id)


@prepares("deployment.rollback")
def deployment_rollback(place):
    call = served(place)
    version_id = place.add_version(call.path["model_id"])
    with place.open() as stores:
        row = stores.db.get(DeploymentRow, call.path["deployment_id"])
        row.history, row.version, row.wanted_version = [1], 2, 2  # as the worker leaves it after a switch
    assert version_id == "ver-002"
    body, other = ({"json": {"reason": reason}} for reason in ("worse", "much worse"))
    return Call(call.path, body=body, other=other)
