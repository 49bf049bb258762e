"""API keys and what they sign in, revoked tokens, and tickets for clients that cannot set headers."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row

KEY_MARK = "msk"


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


class ApiKeyRow(Row):
    """A key a service account signs in with; only the hash of its secret is kept."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_listing", "organization", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(120))
    service_account: Mapped[str] = mapped_column(String(128))
    secret_hash: Mapped[str] = mapped_column(String(64))
    permissions: Mapped[list[str]]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(128))

    @property
    def prefix(self) -> str:
        """The part of the key that is no secret."""
        return f"{KEY_MARK}_{self.id.partition('-')[2]}"


class RefreshTokenRow(Row):
    """A refresh token and the access token it came with; ``family`` joins all that one sign-in led to."""

    __tablename__ = "refresh_tokens"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    key_id: Mapped[str] = mapped_column(String(16), index=True)
    family: Mapped[str] = mapped_column(String(36), index=True)
    access_token_id: Mapped[str] = mapped_column(String(36), index=True)
    access_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
