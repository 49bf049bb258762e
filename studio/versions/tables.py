"""The history of promotions, and what is known of each model's registry."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row


class PromotionRow(Row):
    """One change of what is in production; rows are added and never changed."""

    __tablename__ = "promotions"
    __table_args__ = (Index("ix_promotions_version", "model_id", "version", "number"),)

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int | None]
    promoted_at: Mapped[datetime]
    by: Mapped[str | None] = mapped_column(String(128))
    reason: Mapped[str | None] = mapped_column(String(500))
    source: Mapped[str] = mapped_column(String(16))


class RegistryMarkRow(Row):
    """What is known of a model's registry entry: whatever MLflow holds beyond it, an MLflow client did.

    ``staged`` is the version in MLflow's old stage ``Production``; ``updated_at`` the entry's time of change
    when it was last compared, None before the first time.
    """

    __tablename__ = "registry_marks"
    __table_args__ = (Index("ix_registry_marks_organization", "organization"),)

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    versions: Mapped[list[Any]] = mapped_column(JSON, default=list)  # numbers, ascending
    promoted: Mapped[int | None]
    staged: Mapped[int | None]
    updated_at: Mapped[datetime | None]


class RegistryChangeRow(Row):
    """An organization whose registry an MLflow client has written to since the worker last compared it."""

    __tablename__ = "registry_changes"

    organization: Mapped[str] = mapped_column(String(63), primary_key=True)


class VersionFileRow(Row):
    """One file a version can be had as; what lies under its key is what ``sha256`` says, or was tampered with."""

    __tablename__ = "version_files"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    format: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime]
