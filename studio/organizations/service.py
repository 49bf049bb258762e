"""Makes members of first callers; tells what an organization overrides."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from studio.audit import service as audit
from studio.backends.stores import Stores
from studio.domain.actors import ActorType, system_actor
from studio.organizations.tables import MemberRow, OrganizationConfigRow

SEEN_PRECISION = timedelta(minutes=5)  # last_seen_at is not worth a write per call


def is_up_to_date(stores: Stores) -> bool:
    """True when the caller is a member, and seen lately enough."""
    seen = stores.db.scalar(
        select(MemberRow.last_seen_at).where(
            MemberRow.organization == stores.organization, MemberRow.user_id == stores.actor.user_id
        )
    )
    return seen is not None and stores.now() - seen < SEEN_PRECISION


def provision_member(stores: Stores, *, request_id: str | None = None, ip_address: str | None = None) -> None:
    """Make the caller a member at the first call, and note that it was seen; safe to repeat and to race.

    Args:
        stores: Stores opened for writing, for the caller.
        request_id: Id of the call, for the audit.
        ip_address: Where it came from.
    """
    actor, now = stores.actor, stores.now()
    dialect = sqlite if stores.db.get_bind().dialect.name == "sqlite" else postgresql
    kind = ActorType.USER if actor.email else ActorType.SERVICE
    added = stores.db.execute(
        dialect.insert(MemberRow)
        .values(
            organization=actor.organization, user_id=actor.user_id, email=actor.email, type=str(kind),
            first_seen_at=now, last_seen_at=now, added_by="system",
        )
        .on_conflict_do_nothing()
        .returning(MemberRow.user_id)
    ).first()  # fmt: skip
    if added is None:
        row = stores.db.get(MemberRow, (actor.organization, actor.user_id))
        assert row is not None
        row.first_seen_at, row.last_seen_at = row.first_seen_at or now, now
        row.email = actor.email or row.email
        return
    audit.append_entry(
        stores, "organization.member_added", model_id=None,
        details={"user_id": actor.user_id, "email": actor.email, "type": str(kind)},
        actor=system_actor(actor.organization), request_id=request_id, ip_address=ip_address,
    )  # fmt: skip


def find_overrides(stores: Stores) -> dict[str, Any]:
    """What the organization sets for all its models, nested as a model's configuration; ``{}`` where it sets none."""
    row = stores.db.get(OrganizationConfigRow, stores.organization)
    return dict(row.overrides) if row else {}


def find_member_by_email(stores: Stores, email: str) -> str | None:
    """User id of the organization's member with an address, whatever its case; the one seen last of several."""
    if "\0" in email:
        return None
    query = (
        select(MemberRow.user_id)
        .where(MemberRow.organization == stores.organization, func.lower(MemberRow.email) == func.lower(email))
        .order_by(MemberRow.last_seen_at.is_(None), MemberRow.last_seen_at.desc(), MemberRow.user_id)
        .limit(1)
    )
    return stores.db.scalar(query)


def list_emails(stores: Stores, user_ids: Collection[str]) -> dict[str, str | None]:
    """Addresses of members by user id; None for a service account."""
    query = select(MemberRow.user_id, MemberRow.email).where(
        MemberRow.organization == stores.organization, MemberRow.user_id.in_(user_ids)
    )
    return {row.user_id: row.email for row in stores.db.execute(query)}
