"""Appends to the audit chain, queries it, and proves that nobody touched it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import rfc8785
from sqlalchemy import Select, func, select

from studio.audit.tables import AuditHeadRow, AuditRow
from studio.backends.stores import Stores
from studio.clock import format_time
from studio.db.inserting import insert_unless_there
from studio.domain.actors import Actor, ActorType
from studio.domain.audit import ACTIONS, FIRST_HASH, AuditActor, AuditEntry, entry_id
from studio.domain.pages import Page
from studio.errors import InvalidInput, InvalidRange

DEFAULT_SPAN = timedelta(days=90)
BATCH = 1000


@dataclass(frozen=True)
class AuditFilter:
    """Which entries are asked for; None leaves a side open."""

    model_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    user_id: str | None = None
    newest_first: bool = True


@dataclass(frozen=True)
class Verdict:
    """Whether a chain is whole.

    Attributes:
        valid: True when every hash, link and number is right.
        entries: How many there are.
        first_invalid: Id of the first wrong entry, None where there is none.
    """

    valid: bool
    entries: int
    first_invalid: str | None


def append_entry(
    stores: Stores,
    action: str,
    *,
    model_id: str | None,
    details: Mapping[str, Any],
    actor: Actor | None = None,
    ip_address: str | None = None,
    request_id: str | None = None,
) -> AuditEntry:
    """Append one entry to the organization's chain, in the transaction of the change it tells of.

    Args:
        stores: Open stores.
        action: One of ACTIONS.
        model_id: The model it was done to, if any.
        details: JSON-ready facts; no secrets, no raw data.
        actor: Who did it; None for the actor of the stores.
        ip_address: Where the call came from.
        request_id: Id of the call.

    Raises:
        ValueError: There is no such action.
    """
    if action not in ACTIONS:
        raise ValueError(f"{action} is not an audit action")
    actor = actor or stores.actor
    head = _lock_head(stores)
    fields: dict[str, Any] = {
        "number": head.number + 1,
        "action": action,
        "actor": AuditActor(actor.user_id, actor.email, actor.type),
        "ip_address": ip_address,
        "request_id": request_id,
        "timestamp": stores.now().replace(microsecond=0),
        "model_id": model_id,
        "details": orjson.loads(orjson.dumps(details, option=orjson.OPT_NON_STR_KEYS)),
        "previous_hash": head.hash,
    }
    entry = AuditEntry(**fields, hash="")
    entry = AuditEntry(**fields, hash=hash_of(entry))
    stores.db.add(_row_of(stores.organization, entry))
    head.number, head.hash = entry.number, entry.hash
    stores.db.flush()
    return entry


def list_entries(stores: Stores, wanted: AuditFilter, *, page: int, page_size: int) -> Page:
    """One page of the entries a filter lets through.

    Raises:
        InvalidRange: It ends before it begins.
        InvalidInput: There is no such action.
    """
    query = _select(stores, wanted)
    total = stores.db.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    rows = stores.db.scalars(query.offset((page - 1) * page_size).limit(page_size))
    return Page(total, page, page_size, [_entry_of(row) for row in rows])


def list_newest(stores: Stores, model_ids: Select[str], *, since: datetime, limit: int) -> list[AuditEntry]:
    """The newest entries about some models, newest first.

    Args:
        stores: Open stores.
        model_ids: Query for the ids of the models.
        since: Only entries from this time on.
        limit: Most entries to return.
    """
    query = _select(stores, AuditFilter(since=since)).where(AuditRow.model_id.in_(model_ids)).limit(limit)
    return [_entry_of(row) for row in stores.db.scalars(query)]


def check_filter(stores: Stores, wanted: AuditFilter) -> None:
    """Refuse a filter that list_entries and each_entry would refuse; raises as they do."""
    _select(stores, wanted)


def each_entry(stores: Stores, wanted: AuditFilter) -> Iterator[AuditEntry]:
    """Every entry a filter lets through, one after the other, in bounded memory."""
    for row in stores.db.scalars(_select(stores, wanted).execution_options(yield_per=BATCH)):
        yield _entry_of(row)


def list_organizations(stores: Stores) -> list[str]:
    """Slugs of all organizations that have a chain, or what is left of one; whoever asks looks after all of them."""
    entries, heads = select(AuditRow.organization), select(AuditHeadRow.organization)
    return sorted(stores.db.scalars(entries.union(heads)))


def verify_chain(stores: Stores) -> Verdict:
    """Recompute the organization's whole chain, while others may go on appending to it."""
    mine = AuditHeadRow.organization == stores.organization
    head = select(AuditHeadRow.number, AuditHeadRow.hash).where(mine)
    found = stores.db.execute(head).one_or_none()
    last_number, last_hash = (found.number, found.hash) if found else (0, FIRST_HASH)
    count, previous, first_invalid = 0, FIRST_HASH, None
    for row, number, hash_ in stores.db.execute(_select_chain(stores).execution_options(yield_per=BATCH)):
        last_number, last_hash = number or 0, hash_ or FIRST_HASH
        count += 1
        if first_invalid is None and not _follows(row, count, previous):
            first_invalid = entry_id(row.number)
        previous = row.hash
    if first_invalid is None and count != last_number:  # the newest were cut off, or some were put behind them
        first_invalid = entry_id(min(count, last_number) + 1)
    elif first_invalid is None and previous != last_hash:
        first_invalid = entry_id(max(count, 1))
    return Verdict(first_invalid is None, count, first_invalid)


def hash_of(entry: AuditEntry) -> str:
    """SHA-256 of an entry's published form without ``hash``, as canonical JSON (RFC 8785)."""
    published = {
        "entry_id": entry.id,
        "action": entry.action,
        "actor": {"user_id": entry.actor.user_id, "email": entry.actor.email, "type": str(entry.actor.type)},
        "ip_address": entry.ip_address,
        "request_id": entry.request_id,
        "timestamp": format_time(entry.timestamp),
        "model_id": entry.model_id,
        "details": dict(entry.details),
        "previous_hash": entry.previous_hash,
    }
    return hashlib.sha256(rfc8785.dumps(published)).hexdigest()


def _select(stores: Stores, wanted: AuditFilter) -> Select[AuditRow]:
    if wanted.action is not None and wanted.action not in ACTIONS:
        raise InvalidInput("There is no such action.", fields=[("action", f"unknown action {wanted.action!r}")])
    until = wanted.until or stores.now() + timedelta(seconds=1)
    since = wanted.since or _before(until, DEFAULT_SPAN)
    if since > until:
        raise InvalidRange("`from` is after `to`.", fields=[("from", "must not be after to")])
    kept_since = _before(stores.now(), timedelta(days=stores.config.audit_retention_days))
    query = select(AuditRow).where(
        AuditRow.organization == stores.organization,
        AuditRow.timestamp >= max(since, kept_since),
        AuditRow.timestamp < until,
    )
    for column, value in (
        (AuditRow.model_id, wanted.model_id),
        (AuditRow.action, wanted.action),
        (AuditRow.user_id, wanted.user_id),
    ):
        if value is not None:
            query = query.where(column == value)
    return query.order_by(AuditRow.number.desc() if wanted.newest_first else AuditRow.number)


def _select_chain(stores: Stores) -> Select[AuditRow, int | None, str | None]:
    """Every entry with the head as it is in the same snapshot: an entry appended meanwhile is in both or in none."""
    mine = AuditHeadRow.organization == stores.organization
    number = select(AuditHeadRow.number).where(mine).scalar_subquery()
    hash_ = select(AuditHeadRow.hash).where(mine).scalar_subquery()
    query = select(AuditRow, number, hash_).where(AuditRow.organization == stores.organization)
    return query.order_by(AuditRow.number)


def _follows(row: AuditRow, number: int, previous: str) -> bool:
    """Whether an entry is the one of this number, follows the one before, and has the hash of what it tells."""
    try:
        expected = hash_of(_entry_of(row))
    except (ValueError, TypeError):  # what the service writes can be read again
        return False
    return row.number == number and row.previous_hash == previous and row.hash == expected


def _before(moment: datetime, span: timedelta) -> datetime:
    """A moment so much earlier, or the first there is."""
    first = datetime.min.replace(tzinfo=UTC)
    return moment - span if moment - first > span else first


def _lock_head(stores: Stores) -> AuditHeadRow:
    insert_unless_there(stores.db, AuditHeadRow, organization=stores.organization, number=0, hash=FIRST_HASH)
    query = select(AuditHeadRow).where(AuditHeadRow.organization == stores.organization)
    return stores.db.scalars(query.with_for_update().execution_options(populate_existing=True)).one()


def _row_of(organization: str, entry: AuditEntry) -> AuditRow:
    return AuditRow(
        organization=organization,
        number=entry.number,
        action=entry.action,
        user_id=entry.actor.user_id,
        email=entry.actor.email,
        actor_type=str(entry.actor.type),
        ip_address=entry.ip_address,
        request_id=entry.request_id,
        timestamp=entry.timestamp,
        model_id=entry.model_id,
        details=rfc8785.dumps(dict(entry.details)).decode(),
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


def _entry_of(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        number=row.number,
        action=row.action,
        actor=AuditActor(row.user_id, row.email, ActorType(row.actor_type)),
        ip_address=row.ip_address,
        request_id=row.request_id,
        timestamp=row.timestamp,
        model_id=row.model_id,
        details=orjson.loads(row.details),
        previous_hash=row.previous_hash,
        hash=row.hash,
    )
