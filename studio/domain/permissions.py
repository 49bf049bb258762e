"""Who may do what: organization permissions, model roles, and the expression an operation declares."""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from studio.domain.actors import Actor

ORGANIZATION_PERMISSIONS = frozenset(
    {
        "model:read",
        "model:write",
        "model:deploy",
        "dataset:read",
        "dataset:write",
        "organization:viewer",
        "organization:admin",
    }
)
ADMIN = "organization:admin"
VIEWER = "organization:viewer"
PUBLIC = "public"
AUTHENTICATED = "authenticated"
ANY_ROLE = "any role"
MODEL_ONLY = ("manage", "owner")


class Role(enum.StrEnum):
    """Role of a user on one model."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    OWNER = "owner"


GRANTS: dict[Role, frozenset[str]] = {
    Role.VIEWER: frozenset({"model:read"}),
    Role.EDITOR: frozenset({"model:read", "model:write"}),
    Role.ADMIN: frozenset({"model:read", "model:write", "model:deploy", "manage"}),
    Role.OWNER: frozenset({"model:read", "model:write", "model:deploy", "manage", "owner"}),
}


@dataclass(frozen=True)
class Access:
    """How a caller stands to one model.

    Attributes:
        role: Its role on the model, None where it has none.
        is_org_visible: True when every member may see the model.
    """

    role: Role | None = None
    is_org_visible: bool = True


@dataclass(frozen=True)
class Reach:
    """Which models of its organization a caller reaches with one permission, by name.

    Attributes:
        hidden: Models it may not know of, where it reaches all others.
        only: The models it reaches by its roles alone; None where it reaches all but the hidden ones.
    """

    hidden: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    @property
    def is_limited(self) -> bool:
        """True when there are models it does not reach, or things that belong to none."""
        return bool(self.hidden) or self.only is not None


@dataclass(frozen=True)
class Needs:
    """What an operation needs, such as ``dataset:read and model:read`` or ``manage``: alternatives of requirements."""

    alternatives: tuple[frozenset[str], ...]

    @classmethod
    def parse(cls, expression: str) -> "Needs":
        """Read an expression of the endpoint table.

        Raises:
            ValueError: It names a permission that does not exist.
        """
        alternatives = tuple(frozenset(part.split(" and ")) for part in expression.split(" or "))
        known = ORGANIZATION_PERMISSIONS | {PUBLIC, AUTHENTICATED, ANY_ROLE, *MODEL_ONLY}
        unknown = frozenset().union(*alternatives) - known
        if unknown:
            raise ValueError(f"unknown permission in {expression!r}: {', '.join(sorted(unknown))}")
        return cls(alternatives)

    @property
    def is_public(self) -> bool:
        """True when no token is looked at."""
        return self.alternatives == (frozenset({PUBLIC}),)

    @property
    def names_permissions(self) -> bool:
        """True when not every token suffices."""
        return not self.is_public and frozenset({AUTHENTICATED}) not in self.alternatives

    def allow(self, actor: Actor, access: Access | None, has_any_role: Callable[[], bool]) -> bool:
        """Whether an actor may do it.

        Args:
            actor: Who asks.
            access: How it stands to the model of the path; None for operations outside models.
            has_any_role: Tells whether it has a role on any model; asked only where that matters.
        """
        return any(all(_has(part, actor, access, has_any_role) for part in parts) for parts in self.alternatives)


def _has(part: str, actor: Actor, access: Access | None, has_any_role: Callable[[], bool]) -> bool:
    if part in (PUBLIC, AUTHENTICATED) or ADMIN in actor.permissions:
        return True
    if part == ANY_ROLE:
        return not actor.is_ceiling and has_any_role()
    if part in actor.permissions:
        return True
    org_visible = access is None or access.is_org_visible
    if part == "model:read" and VIEWER in actor.permissions and org_visible:
        return True
    role = access.role if access else None
    if role is None or part not in GRANTS[role]:
        return False
    return not actor.is_ceiling or (part in MODEL_ONLY and "model:write" in actor.permissions)
