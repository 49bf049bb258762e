"""Gives, finds and takes away roles on models."""

from sqlalchemy import Select, delete, exists, select

from studio.backends.stores import Stores
from studio.collaborators.tables import RoleRow
from studio.domain.permissions import GRANTS, Role


def grant_role(stores: Stores, model_id: str, user_id: str, role: Role) -> None:
    """Give a member a role on a model, in place of the one it had."""
    stores.db.merge(RoleRow(model_id=model_id, user_id=user_id, organization=stores.organization, role=str(role)))
    stores.db.flush()


def find_role(stores: Stores, model_id: str) -> Role | None:
    """The caller's role on a model."""
    row = stores.db.get(RoleRow, (model_id, stores.actor.user_id or ""))
    return Role(row.role) if row else None


def list_roles(stores: Stores, model_id: str) -> dict[str, Role]:
    """Everybody's role on a model by user id, the owner first."""
    rows = stores.db.scalars(select(RoleRow).where(RoleRow.model_id == model_id).order_by(RoleRow.user_id))
    roles = {row.user_id: Role(row.role) for row in rows}
    return dict(sorted(roles.items(), key=lambda pair: pair[1] is not Role.OWNER))


def revoke_role(stores: Stores, model_id: str, user_id: str) -> None:
    """Take a member's role on a model away; safe to repeat."""
    stores.db.execute(delete(RoleRow).where(RoleRow.model_id == model_id, RoleRow.user_id == user_id))


def has_any_role(stores: Stores) -> bool:
    """True when the caller has a role on any model of the organization."""
    return bool(stores.db.scalar(select(exists(_of_caller(stores)))))


def select_model_ids(stores: Stores, *, granting: str = "model:read") -> Select[str]:
    """A query for the ids of the models on which the caller's role grants a permission, to be used within others."""
    roles = [str(role) for role in Role if granting in GRANTS[role]]
    return _of_caller(stores).where(RoleRow.role.in_(roles))


def forget_model(stores: Stores, model_id: str) -> None:
    """Remove every role on a model, when it is deleted."""
    stores.db.execute(delete(RoleRow).where(RoleRow.model_id == model_id))


def _of_caller(stores: Stores) -> Select[str]:
    return select(RoleRow.model_id).where(
        RoleRow.organization == stores.organization, RoleRow.user_id == stores.actor.user_id
    )
