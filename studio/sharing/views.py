"""Routes of a model's collaborators and of its ownership.

A collaborator has no ETag of its own: ``If-Match`` is compared with the model's, which changes with them.
"""

from typing import Any

from flask_smorest import Blueprint

from studio.domain.permissions import Role
from studio.sharing import service
from studio.sharing.schemas import CollaboratorOut, CollaboratorsOut, InviteBody, RoleBody, TransferBody
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("sharing", __name__, url_prefix="/api/v1/models")


@endpoint(
    bp, "collaborator.list", "GET", "/<model_id>/collaborators", needs="model:read", returns=CollaboratorsOut(),
)  # fmt: skip
def list_collaborators(ctx: Context, model_id: str) -> dict[str, Any]:
    """List everybody with a role on the model."""
    return {"model_id": model_id, "collaborators": service.list_collaborators(ctx.stores, model_id)}


@endpoint(
    bp, "collaborator.add", "POST", "/<model_id>/collaborators", needs="manage", or_where=service.may_invite,
    audit="model.collaborator_added", status=201, body=InviteBody(), returns=CollaboratorOut(),
    location="/api/v1/models/{model_id}/collaborators/{user_id}",
)  # fmt: skip
def add_collaborator(ctx: Context, body: dict[str, Any], model_id: str) -> service.Collaborator:
    """Give a member of the organization a role on the model."""
    return service.add_collaborator(ctx.stores, model_id, body["user_email"], Role(body["role"]))


@endpoint(
    bp, "collaborator.remove", "DELETE", "/<model_id>/collaborators/<path:user_id>", needs="manage",
    audit="model.collaborator_removed", status=204, current="model.get",
)  # fmt: skip
def remove_collaborator(ctx: Context, model_id: str, user_id: str) -> None:
    """Take a collaborator's role away."""
    service.remove_collaborator(ctx.stores, model_id, user_id)


@endpoint(
    bp, "collaborator.update", "PATCH", "/<model_id>/collaborators/<path:user_id>", needs="manage",
    audit="model.collaborator_updated", body=RoleBody(), returns=CollaboratorOut(), current="model.get",
)  # fmt: skip
def change_role(ctx: Context, body: dict[str, Any], model_id: str, user_id: str) -> service.Collaborator:
    """Give a collaborator another role."""
    return service.change_role(ctx.stores, model_id, user_id, Role(body["role"]))


@endpoint(
    bp, "model.transfer_ownership", "POST", "/<model_id>/transfer-ownership", needs="owner",
    audit="model.ownership_transferred", body=TransferBody(), returns=CollaboratorsOut(),
)  # fmt: skip
def transfer_ownership(ctx: Context, body: dict[str, Any], model_id: str) -> dict[str, Any]:
    """Make a member the owner; the former owner stays as admin."""
    collaborators = service.transfer_ownership(ctx.stores, model_id, body["user_email"])
    return {"model_id": model_id, "collaborators": collaborators}
