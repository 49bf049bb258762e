"""Answers kept for repeated requests."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row


class IdempotencyRow(Row):
    """One Idempotency-Key of one caller on one route.

    ``answer`` is encrypted, and None while the first call runs.
    """

    __tablename__ = "idempotency_keys"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of caller, route and key
    body_hash: Mapped[str] = mapped_column(String(64))
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(index=True)
