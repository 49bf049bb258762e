"""Hands out and takes back stream tickets."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from studio.auth.tables import TicketRow
from studio.backends.stores import Stores
from studio.domain.actors import Actor, pack_actor, unpack_actor
from studio.errors import TokenInvalid

TICKET_LIFE = timedelta(seconds=30)


@dataclass(frozen=True)
class Ticket:
    """A ticket as its caller gets it.

    Attributes:
        ticket: The secret, shown once.
        model_id: The model it opens, None for those that open no model's stream.
        run_id: The run it opens, None for the newest.
        expires_in: Seconds it lives.
    """

    ticket: str
    model_id: str | None
    run_id: str | None
    expires_in: int
    expires_at: datetime


def create_ticket(stores: Stores, *, model_id: str | None, run_id: str | None) -> Ticket:
    """A ticket for one handshake of the caller."""
    secret = f"stk_{secrets.token_urlsafe(24)}"
    expires_at = stores.now() + TICKET_LIFE
    stores.db.add(
        TicketRow(
            hash=_hash(secret),
            actor=pack_actor(stores.actor),
            model_id=model_id,
            run_id=run_id,
            expires_at=expires_at,
        )
    )
    return Ticket(secret, model_id, run_id, int(TICKET_LIFE.total_seconds()), expires_at)


def redeem_ticket(session: Session, ticket: str, now: datetime) -> tuple[Actor, str | None, str | None]:
    """Take a ticket back: it opens one handshake.

    Args:
        session: A writing session.
        ticket: The secret.
        now: The time.

    Returns:
        Its caller, model id and run id.

    Raises:
        TokenInvalid: It is unknown, used, or over.
    """
    taken = session.execute(
        delete(TicketRow)
        .where(TicketRow.hash == _hash(ticket))
        .returning(TicketRow.actor, TicketRow.model_id, TicketRow.run_id, TicketRow.expires_at)
    ).first()
    if taken is None or taken.expires_at < now:
        raise TokenInvalid("The ticket is unknown, used or over; get a new one.")
    return unpack_actor(taken.actor), taken.model_id, taken.run_id


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
