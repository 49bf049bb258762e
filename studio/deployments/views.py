"""Routes of deployments."""

from typing import Any

from flask_smorest import Blueprint

from studio.deployments import service
from studio.deployments.schemas import (
    DeploymentBody,
    DeploymentChanges,
    DeploymentList,
    DeploymentOut,
    DeploymentQuery,
    RollbackDeploymentBody,
)
from studio.domain.deployments import Deployment, DeploymentStatus, Strategy
from studio.domain.pages import Page
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("deployments", __name__, url_prefix="/api/v1/models")


@endpoint(
    bp, "deployment.create", "POST", "/<model_id>/deployments", needs="model:deploy", audit="model.deployed",
    status=201, body=DeploymentBody(), returns=DeploymentOut(), has_etag=True,
    location="/api/v1/models/{model_id}/deployments/{deployment_id}",
)  # fmt: skip
def create_deployment(ctx: Context, body: dict[str, Any], model_id: str) -> Deployment:
    """Have a version served."""
    return service.create_deployment(ctx.stores, model_id, **{**body, "strategy": Strategy(body["strategy"])})


@endpoint(
    bp, "deployment.list", "GET", "/<model_id>/deployments", needs="model:read",
    query=DeploymentQuery(), returns=DeploymentList(),
)  # fmt: skip
def list_deployments(ctx: Context, query: dict[str, Any], model_id: str) -> Page:
    """List the deployments of a model; stopped ones only when asked for."""
    status = DeploymentStatus(query["status"]) if query["status"] else None
    return service.list_deployments(
        ctx.stores, model_id, status=status, page=query["page"], page_size=query["page_size"]
    )


@endpoint(
    bp, "deployment.get", "GET", "/<model_id>/deployments/<deployment_id>", needs="model:read",
    returns=DeploymentOut(), has_etag=True,
)  # fmt: skip
def get_deployment(ctx: Context, model_id: str, deployment_id: str) -> Deployment:
    """Get one deployment."""
    return service.get_deployment(ctx.stores, model_id, deployment_id)


@endpoint(
    bp, "deployment.update", "PATCH", "/<model_id>/deployments/<deployment_id>", needs="model:deploy",
    audit="model.deployment_updated", body=DeploymentChanges(), returns=DeploymentOut(), has_etag=True,
    current=get_deployment,
)  # fmt: skip
def update_deployment(ctx: Context, body: dict[str, Any], model_id: str, deployment_id: str) -> Deployment:
    """Change a deployment; another version takes over without a failed request."""
    return service.update_deployment(ctx.stores, model_id, deployment_id, body)


@endpoint(
    bp, "deployment.delete", "DELETE", "/<model_id>/deployments/<deployment_id>", needs="model:deploy",
    audit="model.undeployed", status=204, current=get_deployment,
)  # fmt: skip
def stop_deployment(ctx: Context, model_id: str, deployment_id: str) -> None:
    """Stop a deployment; what it was asked before is answered."""
    service.stop_deployment(ctx.stores, model_id, deployment_id)


@endpoint(
    bp, "deployment.promote", "POST", "/<model_id>/deployments/<deployment_id>/promote", needs="model:deploy",
    audit="model.deployment_updated", returns=DeploymentOut(), has_etag=True,
)  # fmt: skip
def promote_canary(ctx: Context, model_id: str, deployment_id: str) -> Deployment:
    """Give a canary all the traffic; the direct deployment so far stops."""
    return service.promote_canary(ctx.stores, model_id, deployment_id)


@endpoint(
    bp, "deployment.rollback", "POST", "/<model_id>/deployments/<deployment_id>/rollback", needs="model:deploy",
    audit="model.deployment_rolled_back", body=RollbackDeploymentBody(), returns=DeploymentOut(), has_etag=True,
)  # fmt: skip
def rollback_deployment(ctx: Context, body: dict[str, Any], model_id: str, deployment_id: str) -> Deployment:
    """Return a direct deployment to the version it served before; stop a canary or shadow."""
    return service.rollback_deployment(ctx.stores, model_id, deployment_id, reason=body.get("reason"))
