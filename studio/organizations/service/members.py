"""Who belongs to an organization: makes members of first callers, adds, lists and finds them."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from studio.audit import service as audit
from studio.backends.stores import Stores
from studio.db.inserting import insert_unless_there
from studio.domain.actors import ActorType, system_actor
from studio.domain.pages import Page
from studio.errors import AlreadyMember, BackendDown
from studio.organizations.tables import MemberRow

ATTEMPTS = 5
SEEN_PRECISION = timedelta(minutes=5)  # last_seen_at is not worth a write per call


@dataclass(frozen=True)
class Member:
    """Somebody of the organization.

    Attributes:
        type: ``user`` or ``service``.
        first_seen_at: The first authenticated call; None for one who was added and has made none.
        added_by: User id of who added it, ``system`` for the service at the first call.
    """

    user_id: str
    email: str | None
    type: str
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    added_by: str


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

    An address is one member's: the caller's token is proof of it, so whoever held it before holds none from then on.

    Args:
        stores: Stores opened for writing, for the caller.
        request_id: Id of the call, for the audit.
        ip_address: Where it came from.
    """
    for _ in range(ATTEMPTS):
        with suppress(IntegrityError), stores.db.begin_nested():  # another comes with the same address right now
            _release_address(stores)
            if _insert_caller(stores, request_id=request_id, ip_address=ip_address) or _update_caller(stores):
                return
    raise BackendDown("Several members come with one address at once; try again.")


def find_member_by_email(stores: Stores, email: str) -> str | None:
    """User id of the organization's member with an address, whatever its case."""
    if "\0" in email:
        return None
    query = select(MemberRow.user_id).where(*_has_address(stores, email))
    return stores.db.scalar(query)


def list_emails(stores: Stores, user_ids: Collection[str]) -> dict[str, str | None]:
    """Addresses of members by user id; None for a service account."""
    query = select(MemberRow.user_id, MemberRow.email).where(
        MemberRow.organization == stores.organization, MemberRow.user_id.in_(user_ids)
    )
    return {row.user_id: row.email for row in stores.db.execute(query)}


def list_members(stores: Stores, *, search: str | None, page: int, page_size: int) -> Page:
    """One page of the organization's members, by user id.

    Args:
        stores: Open stores.
        search: Only those whose address or id holds it, whatever its case.
        page: Which page, from 1.
        page_size: Longest page.
    """
    query = select(MemberRow).where(MemberRow.organization == stores.organization)
    if search is not None:
        word = search.replace("\0", "").lower()
        columns = (func.lower(MemberRow.email), func.lower(MemberRow.user_id))
        query = query.where(or_(*(column.contains(word, autoescape=True) for column in columns)))
    total = stores.db.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = stores.db.scalars(query.order_by(MemberRow.user_id).offset((page - 1) * page_size).limit(page_size))
    return Page(total, page, page_size, [_member_of(row) for row in rows])


def add_member(stores: Stores, *, user_id: str, email: str) -> Member:
    """Make somebody a member before the first call, which then finds the membership.

    Args:
        stores: Open stores.
        user_id: The ``sub`` of the tokens to come.
        email: An address no member has.

    Raises:
        AlreadyMember: There is a member of that id or address.
    """
    key = (stores.organization, user_id)
    if stores.db.get(MemberRow, key) is not None or find_member_by_email(stores, email) is not None:
        raise AlreadyMember("The organization has a member of this id or address.")
    row = MemberRow(
        organization=stores.organization, user_id=user_id, email=email, type=str(ActorType.USER),
        first_seen_at=None, last_seen_at=None, added_by=stores.actor.user_id or "",
    )  # fmt: skip
    stores.db.add(row)
    try:
        stores.db.flush()
    except IntegrityError as error:  # another call at once adds the id or the address, or the member makes its first
        raise AlreadyMember("The organization has a member of this id or address.") from error
    stores.record_change(None, user_id=user_id, email=email, type=row.type)
    return _member_of(row)


def _release_address(stores: Stores) -> None:
    """Take the caller's address from any other member that holds it."""
    if stores.actor.email:
        others = (*_has_address(stores, stores.actor.email), MemberRow.user_id != stores.actor.user_id)
        stores.db.execute(update(MemberRow).where(*others).values(email=None))


def _insert_caller(stores: Stores, *, request_id: str | None, ip_address: str | None) -> bool:
    """Make a member of the caller, with an audit entry; False where it is one, or where another takes its address."""
    actor, now = stores.actor, stores.now()
    kind = ActorType.USER if actor.email else ActorType.SERVICE
    was_added = insert_unless_there(
        stores.db, MemberRow, organization=actor.organization, user_id=actor.user_id, email=actor.email or None,
        type=str(kind), first_seen_at=now, last_seen_at=now, added_by="system",
    )  # fmt: skip
    if was_added:
        audit.append_entry(
            stores, "organization.member_added", model_id=None,
            details={"user_id": actor.user_id, "email": actor.email, "type": str(kind)},
            actor=system_actor(actor.organization), request_id=request_id, ip_address=ip_address,
        )  # fmt: skip
    return was_added


def _update_caller(stores: Stores) -> bool:
    """Note that the caller was seen; False where it is no member."""
    row = stores.db.get(MemberRow, (stores.organization, stores.actor.user_id))
    if row is None:
        return False
    now = stores.now()
    row.first_seen_at, row.last_seen_at = row.first_seen_at or now, now
    row.email = stores.actor.email or row.email
    stores.db.flush()
    return True


def _has_address(stores: Stores, email: str) -> tuple[ColumnElement[bool], ...]:
    return MemberRow.organization == stores.organization, func.lower(MemberRow.email) == func.lower(email)


def _member_of(row: MemberRow) -> Member:
    return Member(row.user_id, row.email, row.type, row.first_seen_at, row.last_seen_at, row.added_by)
