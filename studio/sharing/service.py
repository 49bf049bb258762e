"""Lists, adds, changes and removes collaborators of a model, and hands it to another owner.

Every change locks the model's row first and looks at the caller's role again under that lock: a role that was taken
away between the check of the call and its change counts as taken away, and two transfers leave one owner.
"""

from dataclasses import dataclass
from typing import Any

from studio.backends.stores import Stores
from studio.collaborators import service as roles
from studio.domain.permissions import Role
from studio.errors import (
    AlreadyCollaborator,
    CollaboratorNotFound,
    Forbidden,
    NotAMember,
    OwnerCannotBeRemoved,
    OwnerRoleFixed,
)
from studio.models import service as models
from studio.organizations import service as organizations

INVITED_BY_EDITORS = frozenset({Role.VIEWER, Role.EDITOR})


@dataclass(frozen=True)
class Collaborator:
    """Somebody with a role on a model.

    Attributes:
        email: None for a service account.
    """

    user_id: str
    email: str | None
    role: Role


def list_collaborators(stores: Stores, model_id: str) -> list[Collaborator]:
    """Everybody with a role on a model, the owner first."""
    held = roles.list_roles(stores, model_id)
    emails = organizations.list_emails(stores, list(held))
    return [Collaborator(user_id, emails.get(user_id), role) for user_id, role in held.items()]


def may_invite(stores: Stores, model_id: str, **rest: Any) -> bool:
    """Whether the caller may add viewers and editors though it does not manage the model.

    True for editors of a model whose settings allow it; with an API key only within the key's permissions.
    """
    actor = stores.actor
    if roles.find_role(stores, model_id) is not Role.EDITOR or (
        actor.is_ceiling and "model:write" not in actor.permissions
    ):
        return False
    return bool(models.get_settings(stores, model_id)["access"]["allow_collaborator_invites"])


def add_collaborator(stores: Stores, model_id: str, user_email: str, role: Role) -> Collaborator:
    """Give a member of the organization a role on a model.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        user_email: Address of the member, in any case.
        role: Any but the owner's.

    Raises:
        Forbidden: The caller may not manage the model, and not invite somebody with this role either.
        NotAMember: No member of the organization has the address.
        AlreadyCollaborator: The member has a role on the model.
    """
    models.lock_model(stores, model_id)
    if not models.allows(stores, model_id, "manage") and not (
        role in INVITED_BY_EDITORS and may_invite(stores, model_id)
    ):
        raise Forbidden(f"Adding {_article(role)} needs the role admin or owner on this model.")
    user_id = _member(stores, user_email)
    held = roles.list_roles(stores, model_id)
    if user_id in held:
        raise AlreadyCollaborator(f"{user_email} is {_article(held[user_id])} of this model already.")
    roles.grant_role(stores, model_id, user_id, role)
    _record(stores, model_id, user_id, role=role)
    return _collaborator(stores, user_id, role)


def change_role(stores: Stores, model_id: str, user_id: str, role: Role) -> Collaborator:
    """Give a collaborator another role.

    Raises:
        Forbidden: The caller may not manage the model.
        CollaboratorNotFound: The user has no role on it.
        OwnerRoleFixed: The user is the owner.
    """
    held = _held_role(stores, model_id, user_id)
    if held is Role.OWNER:
        raise OwnerRoleFixed("The owner's role cannot be changed; transfer the ownership first.")
    if held is not role:
        roles.grant_role(stores, model_id, user_id, role)
        _record(stores, model_id, user_id, previous_role=held, new_role=role)
    return _collaborator(stores, user_id, role)


def remove_collaborator(stores: Stores, model_id: str, user_id: str) -> None:
    """Take a collaborator's role away.

    Raises:
        Forbidden: The caller may not manage the model.
        CollaboratorNotFound: The user has no role on it.
        OwnerCannotBeRemoved: The user is the owner.
    """
    held = _held_role(stores, model_id, user_id)
    if held is Role.OWNER:
        raise OwnerCannotBeRemoved("The owner cannot be removed; transfer the ownership first.")
    roles.revoke_role(stores, model_id, user_id)
    _record(stores, model_id, user_id, role=held)


def transfer_ownership(stores: Stores, model_id: str, user_email: str) -> list[Collaborator]:
    """Make a member the owner; the former owner stays as admin. Naming the present owner changes nothing.

    Returns:
        Everybody with a role on the model.

    Raises:
        Forbidden: The caller does not own the model, or no longer.
        NotAMember: No member of the organization has the address.
    """
    _lock(stores, model_id, "owner")
    user_id = _member(stores, user_email)
    former = [held for held, role in roles.list_roles(stores, model_id).items() if role is Role.OWNER]
    if former != [user_id]:
        for owner in former:
            roles.grant_role(stores, model_id, owner, Role.ADMIN)
        roles.grant_role(stores, model_id, user_id, Role.OWNER)
        models.note_sharing(stores, model_id)
        stores.record_change(model_id, previous_owner=former[0] if former else None, new_owner=user_id)
    return list_collaborators(stores, model_id)


def _lock(stores: Stores, model_id: str, needs: str) -> None:
    models.lock_model(stores, model_id)
    if not models.allows(stores, model_id, needs):
        raise Forbidden(f"This needs {needs}, which your role on this model does not give any more.")


def _held_role(stores: Stores, model_id: str, user_id: str) -> Role:
    _lock(stores, model_id, "manage")
    held = roles.list_roles(stores, model_id).get(user_id)
    if held is None:
        raise CollaboratorNotFound(user_id)
    return held


def _member(stores: Stores, email: str) -> str:
    user_id = organizations.find_member_by_email(stores, email)
    if user_id is None:
        raise NotAMember(f"No member of this organization has the address {email}.")
    return user_id


def _record(stores: Stores, model_id: str, user_id: str, **details: Any) -> None:
    models.note_sharing(stores, model_id)
    stores.record_change(model_id, user_id=user_id, **details)


def _collaborator(stores: Stores, user_id: str, role: Role) -> Collaborator:
    return Collaborator(user_id, organizations.list_emails(stores, [user_id]).get(user_id), role)


def _article(role: Role) -> str:
    return f"{'a' if role is Role.VIEWER else 'the' if role is Role.OWNER else 'an'} {role}"
