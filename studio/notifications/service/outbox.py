"""Keeps what is to be sent until it is sent or given up."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from studio.backends.stores import Stores
from studio.clock import format_time
from studio.notifications.service.letters import Letter, write_html, write_text
from studio.notifications.tables import NotificationRow

EMAIL: Final = "email"
WEBHOOK: Final = "webhook"
CHANNELS: Final = (EMAIL, WEBHOOK)
WAITING, SENT, FAILED = "waiting", "sent", "failed"
LEASE = timedelta(minutes=2)
MAX_ATTEMPTS = 8
FIRST_PAUSE_S, LONGEST_PAUSE_S = 10, 3600
KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True)
class Announcement:
    """Something people or programs want to know of.

    Attributes:
        kind: What happened, such as ``training.completed``.
        facts: JSON-ready facts, for programs.
        subject: One line, for people.
        letter: The whole, for people.
    """

    kind: str
    model_id: str | None
    facts: Mapping[str, Any]
    subject: str
    letter: Letter


@dataclass(frozen=True)
class Message:
    """One message this worker is to send now.

    Attributes:
        id: The same at every attempt, so that a receiver can tell a repetition.
        attempt: Its number, from 1.
    """

    id: str
    channel: str
    receiver: str
    payload: Mapping[str, Any]
    attempt: int


def announce(stores: Stores, announcement: Announcement, emails: Sequence[str]) -> None:
    """Have people and the operator's webhook told, in the transaction of what they are told of.

    Args:
        stores: Open stores.
        announcement: What happened.
        emails: Addresses of those who want to know; nothing is sent to them where no mail server is set.
    """
    config = stores.config
    if config.smtp_host:
        letter = announcement.letter
        mail = {"subject": announcement.subject, "text": write_text(letter), "html": write_html(letter)}
        for email in {address.casefold(): address for address in emails}.values():
            _add(stores, announcement, EMAIL, email, mail)
    if config.notification_webhook_url:
        told = {"type": announcement.kind, "timestamp": format_time(stores.now()), "data": _finite(announcement.facts)}
        _add(stores, announcement, WEBHOOK, "", told)


def has_due(db: Session, channel: str, now: datetime) -> bool:
    """Whether anything is to be sent over a channel now."""
    return db.scalar(_due(channel, now).with_only_columns(NotificationRow.id)) is not None


def claim(db: Session, channel: str, now: datetime) -> Message | None:
    """Take the message of a channel that is due longest; no other worker takes it for the length of a lease."""
    row = db.scalars(_due(channel, now).with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    row.attempts, row.due_at = row.attempts + 1, now + LEASE
    return Message(row.id, row.channel, row.receiver, row.payload, row.attempts)


def note_sent(db: Session, message: Message, now: datetime) -> None:
    """A message was taken by its receiver."""
    _settle(db, message, status=SENT, ended_at=now, error=None)


def note_failure(db: Session, message: Message, now: datetime, error: str, *, is_final: bool) -> bool:
    """A message could not be sent: try again later, unless that is no use.

    Args:
        db: Open session.
        message: As it was claimed.
        now: The time.
        error: Why, in words.
        is_final: Whether trying again cannot help.

    Returns:
        True when it is given up.
    """
    if is_final or message.attempt >= MAX_ATTEMPTS:
        _settle(db, message, status=FAILED, ended_at=now, error=error)
        return True
    pause_s = min(FIRST_PAUSE_S * 3 ** (message.attempt - 1), LONGEST_PAUSE_S)
    _settle(db, message, due_at=now + timedelta(seconds=pause_s), error=error)
    return False


def forget_old(db: Session, now: datetime) -> None:
    """Remove what was sent or given up long ago."""
    db.execute(
        delete(NotificationRow).where(NotificationRow.status != WAITING, NotificationRow.ended_at < now - KEPT_FOR)
    )


def _add(stores: Stores, told: Announcement, channel: str, receiver: str, payload: Mapping[str, Any]) -> None:
    now = stores.now()
    stores.db.add(
        NotificationRow(
            id=f"ntf-{uuid.uuid4().hex}", organization=stores.organization, model_id=told.model_id, kind=told.kind,
            channel=channel, receiver=receiver, payload=dict(payload), status=WAITING, due_at=now, created_at=now,
        )
    )  # fmt: skip
    stores.db.flush()


def _due(channel: str, now: datetime) -> Any:
    is_due = (NotificationRow.status == WAITING) & (NotificationRow.due_at <= now)
    return (
        select(NotificationRow)
        .where(is_due, NotificationRow.channel == channel)
        .order_by(NotificationRow.due_at, NotificationRow.id)
        .limit(1)
    )


def _settle(db: Session, message: Message, **values: Any) -> None:
    """Write an attempt's outcome, unless its lease ran out and another attempt has begun."""
    mine = (NotificationRow.id == message.id) & (NotificationRow.attempts == message.attempt)
    db.execute(update(NotificationRow).where(mine, NotificationRow.status == WAITING).values(**values))


def _finite(value: Any) -> Any:
    """Facts without NaN and infinities, which JSON does not know."""
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
