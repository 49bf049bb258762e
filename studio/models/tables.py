"""Models and their tags."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from studio.db.declarative import Row


class ModelTagRow(Row):
    """One tag of a model; ``position`` keeps their order."""

    __tablename__ = "model_tags"
    __table_args__ = (Index("ix_model_tags_tag", "tag", "model_id"),)

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(50), primary_key=True)
    position: Mapped[int]


class ModelRow(Row):
    """One model. ``config`` holds the model's own values alone; ``settings`` what was changed from their defaults."""

    __tablename__ = "models"
    __table_args__ = (
        UniqueConstraint("organization", "name"),
        Index("ix_models_created", "organization", "created_at", "id"),
        Index("ix_models_updated", "organization", "updated_at", "id"),
        Index("ix_models_status", "organization", "status", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(Text, default="")
    search_text: Mapped[str] = mapped_column(Text, default="")
    model_type: Mapped[str] = mapped_column(String(16))
    task_type: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    visibility: Mapped[str] = mapped_column(String(16), default="org")
    config: Mapped[dict[str, Any]]
    settings: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(default=1)
    promoted_version_id: Mapped[str | None] = mapped_column(String(16))
    metrics: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(128))
    archived_at: Mapped[datetime | None]
    source_model_id: Mapped[str | None] = mapped_column(String(16))
    tags: Mapped[list[ModelTagRow]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", order_by=ModelTagRow.position
    )


class PurgeRow(Row):
    """What is still to be removed of a deleted model: MLflow runs and files. The worker does it."""

    __tablename__ = "purges"

    model_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    experiment_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
