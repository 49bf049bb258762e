"""Sums up an organization."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from studio.audit import service as audit
from studio.backends.stores import Stores
from studio.domain.model_records import ModelStatus
from studio.domain.periods import PERIODS
from studio.domain.tasks import ModelType
from studio.models import service as models
from studio.training import service as training

EVENTS = 10


@dataclass(frozen=True)
class Activity:
    """One thing that happened to a model.

    Attributes:
        event: Audit action.
    """

    event: str
    model_id: str
    model_name: str
    timestamp: datetime


@dataclass(frozen=True)
class DashboardStats:
    """An organization at a glance.

    Attributes:
        status_breakdown: Models by status, every status there is.
        model_type_breakdown: Models by type, every type there is.
        training_success_rate: Share of completed among completed and failed runs of the period, 0 to 1; None
            when none ended.
        recent_activity: The newest events of the period, newest first.
    """

    total_models: int
    status_breakdown: dict[str, int]
    model_type_breakdown: dict[str, int]
    training_success_rate: float | None
    period: str
    recent_activity: list[Activity]


def sum_up(stores: Stores, *, period: str, model_type: str | None) -> DashboardStats:
    """Sum up the organization.

    Args:
        stores: Open stores.
        period: One of PERIODS, ending now.
        model_type: Only models of this type, in every figure.
    """
    since = stores.now() - PERIODS[period]
    counts = models.count_models(stores, model_type=model_type)
    return DashboardStats(
        total_models=sum(counts.values()),
        status_breakdown=_by(counts, 0, [str(status) for status in ModelStatus]),
        model_type_breakdown=_by(counts, 1, [str(kind) for kind in ModelType]),
        training_success_rate=_success_rate(stores, since, model_type),
        period=period,
        recent_activity=_recent_activity(stores, since, model_type),
    )


def _by(counts: dict[tuple[str, str], int], place: int, names: list[str]) -> dict[str, int]:
    return {name: sum(count for key, count in counts.items() if key[place] == name) for name in names}


def _success_rate(stores: Stores, since: datetime, model_type: str | None) -> float | None:
    is_counted = partial(models.is_of_model, stores, model_type=model_type, visible_only=False)
    completed, failed = training.count_ended(stores, is_counted, since=since)
    return completed / (completed + failed) if completed + failed else None


def _recent_activity(stores: Stores, since: datetime, model_type: str | None) -> list[Activity]:
    is_told = partial(models.is_of_model, stores, model_type=model_type, visible_only=True)
    entries = audit.list_newest(stores, is_told, since=since, limit=EVENTS)
    names = models.find_names(stores, {entry.model_id for entry in entries if entry.model_id})
    return [
        Activity(entry.action, entry.model_id, names[entry.model_id], entry.timestamp)
        for entry in entries
        if entry.model_id in names
    ]
