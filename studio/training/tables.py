"""Runs, their events, and the workers that take them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row


class RunRow(Row):
    """One training run.

    ``rank`` orders the queue within a priority: the time of arrival in seconds, or less for a run that was resumed.
    ``elapsed_s`` is the running time of earlier attempts; ``lease_until`` is renewed by the worker that holds it.
    """

    __tablename__ = "training_runs"
    __table_args__ = (
        Index("ix_training_runs_model", "model_id", "created_at", "id"),
        Index("ix_training_runs_queue", "status", "priority", "rank"),
        Index("ix_training_runs_organization", "organization", "status", "completed_at", "model_id"),
        Index("ix_training_runs_recent", "status", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    model_id: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(16), default="auto")
    trigger: Mapped[str] = mapped_column(String(16), default="manual")
    status: Mapped[str] = mapped_column(String(16))
    pending_action: Mapped[str | None] = mapped_column(String(16))
    label: Mapped[str | None] = mapped_column(String(120))
    priority: Mapped[int]  # 0 high, 1 normal, 2 low
    rank: Mapped[float]
    timeout_s: Mapped[int]
    config: Mapped[dict[str, Any]]  # the effective configuration it runs with
    config_override: Mapped[dict[str, Any]]
    dataset_id: Mapped[str | None] = mapped_column(String(16))
    dataset_fingerprint: Mapped[str | None] = mapped_column(String(64))
    dataset_rows: Mapped[int | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(128))
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    elapsed_s: Mapped[float] = mapped_column(default=0.0)
    phase: Mapped[str | None] = mapped_column(String(32))
    progress: Mapped[float] = mapped_column(default=0.0)
    stage_seconds: Mapped[dict[str, Any]]
    peak_cpu_percent: Mapped[float | None]
    peak_memory_mb: Mapped[float | None]
    worker_type: Mapped[str | None] = mapped_column(String(64))
    mlflow_run_id: Mapped[str | None] = mapped_column(String(64))
    version_number: Mapped[int | None]
    algorithm: Mapped[str | None] = mapped_column(String(100))
    retry_of: Mapped[str | None] = mapped_column(String(32))
    cancel_reason: Mapped[str | None] = mapped_column(String(16))
    failure: Mapped[dict[str, Any] | None]
    attempts: Mapped[int] = mapped_column(default=0)
    worker_id: Mapped[str | None] = mapped_column(String(255))
    lease_until: Mapped[datetime | None]


class RunEventRow(Row):
    """One message of a run's stream; ``seq`` goes 1, 2, 3 without a gap."""

    __tablename__ = "run_events"

    run_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(16))
    level: Mapped[str | None] = mapped_column(String(8))  # of log messages
    line: Mapped[int | None]  # of log messages, from 1
    timestamp: Mapped[datetime]
    payload: Mapped[str] = mapped_column(Text)  # JSON of the fields of its type


Index("ix_run_events_type", RunEventRow.run_id, RunEventRow.type, RunEventRow.seq)


class WorkerRow(Row):
    """A worker and its last sign of life."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class ScheduleRow(Row):
    """When a model trains by itself; goes with its model.

    ``next_run_at`` is None while nothing will ever be due; ``last_started_at`` is what the least interval counts from.
    """

    __tablename__ = "training_schedules"

    model_id: Mapped[str] = mapped_column(String(16), ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    is_enabled: Mapped[bool]
    trigger: Mapped[str] = mapped_column(String(16))
    cron: Mapped[str | None] = mapped_column(String(100))
    timezone: Mapped[str] = mapped_column(String(64))
    drift_threshold: Mapped[float | None]
    min_interval_s: Mapped[int]
    label: Mapped[str | None] = mapped_column(String(120))
    priority: Mapped[int]  # as of runs
    timeout_s: Mapped[int]
    config_override: Mapped[dict[str, Any]]
    next_run_at: Mapped[datetime | None] = mapped_column(index=True)
    last_run_id: Mapped[str | None] = mapped_column(String(32))
    last_started_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(String(128))
