"""Turns entries into rows, and rows into entries, also those that somebody has tampered with."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from studio.audit.tables import AuditRow
from studio.domain import canonical_json
from studio.domain.actors import ActorType
from studio.domain.audit import AuditActor, AuditEntry

BATCH = 1000  # rows that are read at once
TEXTS = ("action", "previous_hash", "hash")
OPTIONAL_TEXTS = ("user_id", "email", "ip_address", "request_id", "model_id")


def row_of(organization: str, entry: AuditEntry) -> AuditRow:
    """The row of a new entry."""
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
        details=canonical_json.write(dict(entry.details)),
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


def entry_of(row: AuditRow) -> AuditEntry:
    """The entry a row stands for. What cannot be read is named in ``unreadable`` and given as near as may be."""
    unreadable: list[str] = []

    def take(name: str, read: Callable[[Any], Any], instead: Callable[[Any], Any] = str) -> Any:
        value = getattr(row, name)
        try:
            return read(value)
        except (ValueError, TypeError, RecursionError):
            unreadable.append(name)
            return instead(value)

    texts = {name: take(name, _text) for name in TEXTS}
    texts |= {name: take(name, lambda value: None if value is None else _text(value)) for name in OPTIONAL_TEXTS}
    actor = AuditActor(texts.pop("user_id"), texts.pop("email"), take("actor_type", ActorType))
    timestamp = take("timestamp", _present, lambda _: datetime.fromtimestamp(0, UTC))
    details = take("details", _details, lambda value: {"unreadable": str(value)})
    return AuditEntry(
        number=row.number, actor=actor, timestamp=timestamp, details=details, unreadable=tuple(unreadable), **texts
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _present(value: Any) -> Any:
    if value is None:
        raise TypeError("nothing")
    return value


def _details(text: Any) -> dict[str, Any]:
    details = canonical_json.read(_text(text))
    if not isinstance(details, dict):
        raise TypeError("no object")
    return details
