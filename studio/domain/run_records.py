"""A training run as the service keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.domain.runs import Phase, Priority, RunStatus


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    Attributes:
        code: One of the failure codes of the API.
        stage: The phase it failed in, or ``startup``.
    """

    code: str
    message: str
    stage: str


@dataclass(frozen=True)
class TrainingRun:
    """One training run.

    Attributes:
        queue_position: 1 for the next to run; None once started.
        estimated_start_time: When it will probably start; None once started.
        pending_action: ``cancel`` or ``pause`` while asked for and not yet done.
        progress: 0..1, never falls.
        duration_seconds: Running time so far, without queueing and pauses; None before the start.
        stage_seconds: Seconds per phase reached.
    """

    run_id: str
    model_id: str
    status: RunStatus
    run_label: str | None
    priority: Priority
    estimated_start_time: datetime | None
    created_at: datetime
    kind: str
    trigger: str
    created_by: str
    queue_position: int | None
    pending_action: str | None
    phase: Phase | None
    progress: float
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    timeout_seconds: int
    config: Mapping[str, Any]
    config_override: Mapping[str, Any]
    dataset_id: str | None
    dataset_rows: int | None
    dataset_fingerprint: str | None
    version_produced: str | None
    algorithm: str | None
    mlflow_run_id: str | None
    retry_of: str | None
    cancel_reason: str | None
    failure: Failure | None
    stage_seconds: Mapping[str, float]
    peak_cpu_percent: float | None
    peak_memory_mb: float | None
    worker_type: str | None
