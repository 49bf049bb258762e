"""Who acts: a person, a service account, the service itself, or a client of MLflow."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class ActorType(enum.StrEnum):
    USER = "user"
    SERVICE = "service"
    SYSTEM = "system"
    MLFLOW = "mlflow"


@dataclass(frozen=True)
class Actor:
    """One caller, as its token says.

    Attributes:
        organization: Slug of the organization everything the actor touches belongs to.
        user_id: The token's ``sub``; None for the system and for MLflow clients known by nothing else.
        permissions: Organization permissions of the token, ``organization:*`` roles among them.
        is_ceiling: True for tokens obtained with an API key: model roles then never widen the permissions.
        token_id: The token's ``jti``; None in foreign tokens without one.
        expires_at: When the token ends; None for the system.
    """

    organization: str
    user_id: str | None = None
    email: str | None = None
    type: ActorType = ActorType.USER
    permissions: frozenset[str] = field(default_factory=frozenset)
    is_ceiling: bool = False
    token_id: str | None = None
    expires_at: datetime | None = None


def system_actor(organization: str) -> Actor:
    """The service itself, acting for one organization."""
    return Actor(organization=organization, type=ActorType.SYSTEM)


def mlflow_actor(organization: str) -> Actor:
    """A client of MLflow whose change was found afterwards."""
    return Actor(organization=organization, type=ActorType.MLFLOW)


def pack_actor(actor: Actor) -> dict[str, Any]:
    """An actor as JSON-ready facts, for tickets and session cookies."""
    return {
        "organization": actor.organization,
        "user_id": actor.user_id,
        "email": actor.email,
        "type": str(actor.type),
        "permissions": sorted(actor.permissions),
        "is_ceiling": actor.is_ceiling,
        "token_id": actor.token_id,
        "expires_at": actor.expires_at.isoformat() if actor.expires_at else None,
    }


def unpack_actor(packed: Mapping[str, Any]) -> Actor:
    """The actor that pack_actor packed."""
    expires_at = datetime.fromisoformat(packed["expires_at"]) if packed["expires_at"] else None
    changed = {
        "type": ActorType(packed["type"]),
        "permissions": frozenset(packed["permissions"]),
        "expires_at": expires_at,
    }
    return Actor(**{**packed, **changed})
