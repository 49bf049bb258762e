"""Appends to the audit chain, and proves that nobody touched it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select

from studio.audit.service.rows import BATCH, entry_of, row_of
from studio.audit.tables import AuditHeadRow, AuditRow
from studio.backends.stores import Stores
from studio.clock import format_time
from studio.db.inserting import insert_unless_there
from studio.domain import canonical_json
from studio.domain.actors import Actor
from studio.domain.audit import ACTIONS, FIRST_HASH, AuditActor, AuditEntry, entry_id


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
        details: JSON-ready facts; no secrets, no raw data. Whole numbers beyond 2^53 - 1 are kept as texts, and what
            else RFC 8785 has no form for as canonical_json tells: no fact makes the change it tells of fail.
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
        "details": canonical_json.simplify(details),
        "previous_hash": head.hash,
    }
    entry = AuditEntry(**fields, hash="")
    entry = AuditEntry(**fields, hash=hash_of(entry))
    stores.db.add(row_of(stores.organization, entry))
    head.number, head.hash = entry.number, entry.hash
    stores.db.flush()
    return entry


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
    return hashlib.sha256(canonical_json.write(published).encode()).hexdigest()


def _select_chain(stores: Stores) -> Select[AuditRow, int | None, str | None]:
    """Every entry with the head as it is in the same snapshot: an entry appended meanwhile is in both or in none."""
    mine = AuditHeadRow.organization == stores.organization
    number = select(AuditHeadRow.number).where(mine).scalar_subquery()
    hash_ = select(AuditHeadRow.hash).where(mine).scalar_subquery()
    query = select(AuditRow, number, hash_).where(AuditRow.organization == stores.organization)
    return query.order_by(AuditRow.number)


def _follows(row: AuditRow, number: int, previous: str) -> bool:
    """Whether an entry is the one of this number, follows the one before, and has the hash of what it tells."""
    entry = entry_of(row)
    if entry.unreadable or (row.number, row.previous_hash) != (number, previous):
        return False
    try:
        return row.details == canonical_json.write(entry.details) and row.hash == hash_of(entry)
    except (ValueError, RecursionError):  # what the service writes can be written again
        return False


def _lock_head(stores: Stores) -> AuditHeadRow:
    insert_unless_there(stores.db, AuditHeadRow, organization=stores.organization, number=0, hash=FIRST_HASH)
    query = select(AuditHeadRow).where(AuditHeadRow.organization == stores.organization)
    return stores.db.scalars(query.with_for_update().execution_options(populate_existing=True)).one()
