"""When a model trains by itself."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.domain.runs import Priority


class ScheduleTrigger(enum.StrEnum):
    CRON = "cron"
    DRIFT = "drift"


@dataclass(frozen=True)
class TrainingSchedule:
    """The schedule of one model.

    Attributes:
        cron: Five fields, read in ``timezone``; None for drift.
        drift_threshold: PSI beyond which a run starts; None for cron.
        min_interval_seconds: Least time between two runs it starts.
        next_run_at: When it is next due; None while disabled, and for drift.
        last_run_id: The run it started last.
    """

    model_id: str
    enabled: bool
    trigger: ScheduleTrigger
    cron: str | None
    timezone: str
    drift_threshold: float | None
    min_interval_seconds: int
    run_label: str | None
    priority: Priority
    timeout_seconds: int
    config_override: Mapping[str, Any]
    next_run_at: datetime | None
    last_run_id: str | None
    updated_at: datetime
    updated_by: str
