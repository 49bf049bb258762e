"""Who may know of a model."""

from sqlalchemy import select

from studio.backends.stores import Stores
from studio.collaborators import service as collaborators
from studio.db.session import Database
from studio.domain.identifiers import is_id
from studio.domain.model_records import Visibility
from studio.domain.permissions import ADMIN, Access, Needs, Reach
from studio.models.service.filters import select_hidden_names
from studio.models.tables import ModelRow


def find_access(stores: Stores, model_id: str) -> Access | None:
    """How the caller stands to a model.

    Returns:
        Its role and the model's visibility; None where the caller may not know that the model exists.
    """
    if not is_id("model", model_id):
        return None
    row = stores.db.get(ModelRow, model_id)
    stores.db.info["model"] = row  # or the session, which holds rows weakly, would read it again for the view
    if row is None or row.organization != stores.organization:
        return None
    role = collaborators.find_role(stores, model_id)
    is_org_visible = row.visibility == Visibility.ORG
    if not is_org_visible and role is None and ADMIN not in stores.actor.permissions:
        return None
    return Access(role, is_org_visible)


def allows(stores: Stores, model_id: str, needs: str) -> bool:
    """Whether the caller has what an expression such as ``manage`` needs on a model, at this moment."""
    access = find_access(stores, model_id)
    return access is not None and Needs.parse(needs).allow(stores.actor, access, lambda: has_any_role(stores))


def has_any_role(stores: Stores) -> bool:
    """True when the caller has a role on any model of the organization."""
    return collaborators.has_any_role(stores)


def find_reach(stores: Stores, permission: str) -> Reach | None:
    """Which models the caller reaches with ``model:read`` or ``model:write``.

    Returns:
        All but the hidden ones where the organization gave it the permission, else those its roles grant it on; None
        where there are none of these. A role never widens what an API key may do.
    """
    actor = stores.actor
    if Needs.parse(permission).allow(actor, None, lambda: False):
        return Reach(hidden=_hidden_names(stores))
    if actor.is_ceiling:
        return None
    own = collaborators.select_model_ids(stores, granting=permission)
    query = select(ModelRow.name).where(ModelRow.organization == stores.organization, ModelRow.id.in_(own))
    names = frozenset(stores.db.scalars(query))
    return Reach(only=names) if names else None


def _hidden_names(stores: Stores) -> frozenset[str]:
    if ADMIN in stores.actor.permissions:
        return frozenset()
    return frozenset(stores.db.scalars(select_hidden_names(stores)))


def list_organizations(database: Database) -> list[str]:
    """Every organization that has a model."""
    with database.transaction(write=False) as db:
        return list(db.scalars(select(ModelRow.organization).distinct()))
