"""Revoked tokens, and tickets for clients that cannot set headers."""

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row


class RevokedTokenRow(Row):
    """A token that is refused until it would have expired anyway."""

    __tablename__ = "revoked_tokens"

    organization: Mapped[str] = mapped_column(String(63), primary_key=True)
    token_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class TicketRow(Row):
    """One handshake's worth of a caller; only the ticket's hash is kept."""

    __tablename__ = "stream_tickets"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    actor: Mapped[dict[str, Any]]
    model_id: Mapped[str | None] = mapped_column(String(16))
    run_id: Mapped[str | None] = mapped_column(String(32))
    expires_at: Mapped[datetime] = mapped_column(index=True)
