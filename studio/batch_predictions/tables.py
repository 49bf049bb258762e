"""Batch jobs."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row


class BatchJobRow(Row):
    """One batch prediction; ``lease_until`` is renewed by the worker that holds it.

    ``files`` holds key, size and hash of each file of the result: ``csv``, ``parquet`` and ``errors``.
    """

    __tablename__ = "batch_jobs"
    __table_args__ = (
        Index("ix_batch_jobs_model", "model_id", "created_at", "id"),
        Index("ix_batch_jobs_queue", "status", "created_at"),
        Index("ix_batch_jobs_organization", "organization", "status"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    version: Mapped[int]
    dataset_id: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    rows_total: Mapped[int | None] = mapped_column(BigInteger)
    rows_predicted: Mapped[int] = mapped_column(BigInteger, default=0)
    rows_failed: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(128))
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    failure: Mapped[dict[str, Any] | None]
    files: Mapped[dict[str, Any]]
    attempts: Mapped[int] = mapped_column(default=0)
    worker_id: Mapped[str | None] = mapped_column(String(255))
    lease_until: Mapped[datetime | None]
