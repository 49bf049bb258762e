"""Members, and what an organization overrides of the training configuration."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row


class MemberRow(Row):
    """A person or a service account of an organization."""

    __tablename__ = "members"

    organization: Mapped[str] = mapped_column(String(63), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    email: Mapped[str | None] = mapped_column(String(320))
    type: Mapped[str] = mapped_column(String(16))
    first_seen_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    added_by: Mapped[str] = mapped_column(String(128))


Index("ix_members_email", MemberRow.organization, func.lower(MemberRow.email), unique=True)


class OrganizationConfigRow(Row):
    """What an organization sets for all its models."""

    __tablename__ = "organization_configs"

    organization: Mapped[str] = mapped_column(String(63), primary_key=True)
    overrides: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(String(128))
