"""Our values in the forms and lengths MLflow's runs take, and back."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, MAX_PARAM_VAL_LENGTH, MAX_TAG_VAL_LENGTH

_FORBIDDEN = re.compile(r"[^/\w.\- :]")
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class MetricPoint:
    """One value of a metric.

    Attributes:
        step: Epoch, iteration or trial, from 0.
        at: When it was measured, aware.
    """

    name: str
    value: float
    step: int
    at: datetime


@dataclass(frozen=True)
class RunRecord:
    """What MLflow knows of a run.

    Attributes:
        status: RUNNING, SCHEDULED, FINISHED, FAILED or KILLED.
        metrics: Last value of each.
    """

    mlflow_run_id: str
    experiment_id: str
    name: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def params_of(values: Mapping[str, Any]) -> list[Param]:
    """Params: what is no text becomes JSON, long values are cut, signs MLflow forbids become ``_``."""
    return [Param(key_of(name), _text(value)[:MAX_PARAM_VAL_LENGTH]) for name, value in values.items()]


def tags_of(values: Mapping[str, str]) -> list[RunTag]:
    """Tags, long values cut."""
    return [RunTag(key_of(name), value[:MAX_TAG_VAL_LENGTH]) for name, value in values.items()]


def metrics_of(points: Sequence[MetricPoint]) -> list[Metric]:
    """Metrics of MLflow."""
    return [Metric(key_of(point.name), point.value, ms_of(point.at), point.step) for point in points]


def record_of(run: Run) -> RunRecord:
    """A run of MLflow as ours."""
    return RunRecord(
        mlflow_run_id=run.info.run_id,
        experiment_id=str(run.info.experiment_id),
        name=run.info.run_name or "",
        status=run.info.status,
        started_at=time_of(run.info.start_time),
        ended_at=time_of(run.info.end_time) if run.info.end_time else None,
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=dict(run.data.tags),
    )


def batches(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """Pieces of at most ``size`` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def key_of(name: str) -> str:
    """A name MLflow takes for a param, metric or tag."""
    return _FORBIDDEN.sub("_", name)[:MAX_ENTITY_KEY_LENGTH]


def ms_of(at: datetime) -> int:
    """Milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def time_of(timestamp_ms: int) -> datetime:
    """Aware time of milliseconds since 1970."""
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
