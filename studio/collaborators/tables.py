"""Roles on models."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row


class RoleRow(Row):
    """The role of one member on one model."""

    __tablename__ = "model_roles"
    __table_args__ = (Index("ix_model_roles_user", "organization", "user_id"),)

    model_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    role: Mapped[str] = mapped_column(String(16))
