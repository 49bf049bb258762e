"""Deployments, and how their requests ended."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row


class DeploymentRow(Row):
    """One deployment.

    ``version`` is what is served, or while it starts what is to be; ``served_since`` is None until then.
    ``wanted_version`` is what it is to serve, unless it follows the promoted version. ``history`` are the versions it
    served before, oldest first; ``condemned`` those that an automatic rollback took it from. ``message`` is the
    worker's word on its state, ``note`` says why it was rolled back. ``revision`` grows with every change of what is
    wanted of it.
    """

    __tablename__ = "deployments"
    __table_args__ = (
        Index("ix_deployments_model", "model_id", "status", "created_at", "id"),
        Index("ix_deployments_status", "status"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(60))
    strategy: Mapped[str] = mapped_column(String(16))
    traffic_percent: Mapped[int]
    replicas: Mapped[int]
    auto_rollback: Mapped[dict[str, Any]]
    follows_promoted: Mapped[bool]
    version: Mapped[int]
    wanted_version: Mapped[int]
    served_since: Mapped[datetime | None]
    history: Mapped[list[Any]] = mapped_column(JSON, default=list)
    condemned: Mapped[list[Any]] = mapped_column(JSON, default=list)
    status: Mapped[str] = mapped_column(String(16))
    message: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(128))
    updated_at: Mapped[datetime]


class DeploymentCountRow(Row):
    """Requests of one deployment and version within ten seconds, of one class of latency; kept for an hour."""

    __tablename__ = "deployment_counts"
    __table_args__ = (Index("ix_deployment_counts_bucket", "bucket"),)

    deployment_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    version_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    bucket: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False
    )  # seconds since 1970, in tens
    latency_class: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    requests: Mapped[int]
    errors: Mapped[int]
