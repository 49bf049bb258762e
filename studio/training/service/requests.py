"""What a caller asks for: starting a run, retrying and cancelling one."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from sqlalchemy import func, select

from studio.automl.estimators import known_algorithms
from studio.automl.plan import Plan, Validation
from studio.automl.problem import check_target
from studio.automl.series_rows import check_series
from studio.backends.stores import Stores
from studio.datasets import service as datasets
from studio.db.inserting import unused_id
from studio.domain import model_config
from studio.domain.datasets import DatasetLink
from studio.domain.identifiers import new_run_id
from studio.domain.model_records import Model
from studio.domain.run_records import TrainingRun
from studio.domain.runs import EventType, Priority, RunStatus
from studio.domain.tasks import TaskType
from studio.errors import (
    ConfigIncomplete,
    InvalidInput,
    NoDataset,
    QuotaExceeded,
    RunInProgress,
    RunStateConflict,
    UnknownAlgorithm,
    UnusableSeries,
)
from studio.models import service as models
from studio.organizations import service as organizations
from studio.training.service.events import append_events
from studio.training.service.outcomes import UNFINISHED, end_cancelled
from studio.training.service.runs import PRIORITIES, find_row, record_of
from studio.training.tables import RunRow

CHECKED_ROWS = 500_000


def start_run(
    stores: Stores,
    model_id: str,
    *,
    config_override: Mapping[str, Any] | None = None,
    run_label: str | None = None,
    priority: Priority = Priority.NORMAL,
    timeout_seconds: int = 3600,
    trigger: str = "manual",
    retry_of: str | None = None,
) -> TrainingRun:
    """Put a run into the queue; the model is training from now on.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        config_override: A shallow merge over the saved configuration, for this run alone.
        run_label: A name for people.
        priority: Its place among queued runs.
        timeout_seconds: Running time after which it is cancelled.
        trigger: What started it.
        retry_of: Id of the run it repeats.

    Raises:
        ModelArchived: The model is archived.
        RunInProgress: It has an unfinished run.
        NoDataset: No dataset is linked.
        ConfigIncomplete: The configuration lacks what a training needs.
        QuotaExceeded: The organization has too many queued runs.
        InvalidInput: The configuration makes no sense, as models.check_config tells.
    """
    models.begin_training(stores, model_id)  # locks the model: of two calls at once the second sees the first's run
    _refuse_second(stores, model_id)
    model = models.get_model(stores, model_id)
    config = check_override(stores, model, config_override or {})
    _refuse_unserved(model)
    _refuse_incomplete(config, model)
    _refuse_untrainable(stores, config, model)
    _refuse_beyond_quota(stores)
    assert model.dataset is not None
    row = _new_row(stores, model, config, dict(config_override or {}), run_label, priority, timeout_seconds, trigger)
    row.retry_of = retry_of
    stores.db.add(row)
    stores.db.flush()
    datasets.hold_dataset(stores, model.dataset.dataset_id, row.id)
    append_events(stores, row.id, [(EventType.STATE, {"status": RunStatus.QUEUED})])
    stores.record_change(
        model_id, run_id=row.id, kind=row.kind, trigger=trigger, priority=priority, run_label=run_label,
        config_override=row.config_override, dataset_id=row.dataset_id, retry_of=retry_of,
    )  # fmt: skip
    return record_of(stores, row)


def retry_run(stores: Stores, model_id: str, run_id: str) -> TrainingRun:
    """Start a run like one that failed or was cancelled, with the present configuration and dataset.

    Raises:
        RunNotFound: The model has no such run.
        RunStateConflict: It neither failed nor was cancelled.
        StudioError: As start_run refuses.
    """
    old = find_row(stores, run_id, model_id=model_id)
    if old.status not in (RunStatus.FAILED, RunStatus.CANCELLED):
        raise RunStateConflict(f"Run {run_id} is {old.status}; only a failed or cancelled one can be retried.")
    return start_run(
        stores, model_id, config_override=old.config_override, run_label=old.label,
        priority=PRIORITIES[old.priority], timeout_seconds=old.timeout_s, trigger="retry", retry_of=old.id,
    )  # fmt: skip


def cancel_run(stores: Stores, model_id: str, run_id: str) -> TrainingRun:
    """Cancel a run: one that waits at once, one that runs as soon as its worker has stopped it.

    Raises:
        RunNotFound: The model has no such run.
        RunStateConflict: It has ended, or is being cancelled already.
    """
    row = find_row(stores, run_id, model_id=model_id, lock=True)
    if RunStatus(row.status).is_finished or row.pending_action == "cancel":
        state = "being cancelled" if row.pending_action == "cancel" else row.status
        raise RunStateConflict(f"Run {run_id} is {state}; only a queued, running or paused one can be cancelled.")
    stores.record_change(model_id, run_id=run_id, status=row.status)
    if row.status == RunStatus.RUNNING:
        row.pending_action, row.cancel_reason = "cancel", "user"
    else:
        end_cancelled(stores, row, reason="user")
    stores.db.flush()
    return record_of(stores, row)


def count_queued(stores: Stores) -> int:
    """How many runs of the organization wait."""
    is_queued = RunRow.organization == stores.organization, RunRow.status == str(RunStatus.QUEUED)
    return stores.db.scalar(select(func.count()).where(*is_queued)) or 0


def check_override(stores: Stores, model: Model, override: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that a run with an override would use; raises as models.check_config does."""
    own = model_config.overlay(model.own_config, override)
    merged, sources = model_config.merge_layers(model.model_type, organizations.find_overrides(stores), own)
    at = "/config_override"
    models.check_config(merged, sources, model.task_type, model.model_type, model.dataset, at=at)
    return merged


def _refuse_second(stores: Stores, model_id: str) -> None:
    query = select(RunRow.id).where(RunRow.model_id == model_id, RunRow.status.in_(UNFINISHED))
    unfinished = stores.db.scalars(query.limit(1)).first()
    if unfinished is not None:
        raise RunInProgress(f"Run {unfinished} of this model has not ended.", run_id=unfinished)


def _refuse_unserved(model: Model) -> None:
    known = known_algorithms(model.task_type)
    if known == ["auto"]:
        raise UnknownAlgorithm(
            f"No installed algorithm serves {model.task_type} models.",
            fields=[("/config_override/algorithm", "none is installed for this task")],
            known=[],
        )


def _refuse_incomplete(config: Mapping[str, Any], model: Model) -> None:
    if model.dataset is None:
        raise NoDataset("Link a dataset to the model first.")
    needed = {} if model.task_type is TaskType.CLUSTERING else {"target_column": "Say which column to predict."}
    if model.task_type is TaskType.TIME_SERIES:
        needed |= {"time_column": "Say which column holds the time stamps."}
        needed |= {"horizon": "Say how many steps ahead to forecast."}
    for key, wish in needed.items():
        if config[key] is None:
            raise ConfigIncomplete(wish, fields=[(f"/config_override/{key}", "is needed for training")])
    if not _features_of(config, model.dataset):
        raise ConfigIncomplete(
            "No feature column is left besides the target.",
            fields=[("/config_override/feature_columns", "must leave a column")],
        )


def _refuse_untrainable(stores: Stores, config: Mapping[str, Any], model: Model) -> None:
    """Look at the target itself: what no training could learn is better told now than by a failed run.

    Of a long table the run itself must tell: this process, which many share, would need memory for every row.
    """
    assert model.dataset is not None
    if datasets.get_dataset(stores, model.dataset.dataset_id).rows > CHECKED_ROWS:
        return
    plan = Plan(
        task=str(model.task_type),  # type: ignore[arg-type]
        target=config["target_column"] or "",
        column_types={known.name: str(known.type) for known in model.dataset.columns},
        validation=Validation(**config["validation"]),
        **{key: config[key] for key in ("time_column", "horizon", "frequency")},
    )
    at = "target_column"
    try:
        if model.task_type is TaskType.TIME_SERIES:
            names = [plan.target, plan.time_column, plan.validation.group_column]
            kept = {name: _column(stores, model.dataset, name) for name in names if name is not None}
            check_series(pd.DataFrame(kept), plan)
        elif model.task_type is not TaskType.CLUSTERING:
            check_target(_column(stores, model.dataset, plan.target), plan)
    except InvalidInput as error:
        at = "time_column" if isinstance(error, UnusableSeries) else at
        raise InvalidInput(str(error), fields=[(f"/config_override/{at}", str(error))]) from error


def _column(stores: Stores, dataset: DatasetLink, name: str) -> "pd.Series[Any]":
    return datasets.read_column(stores, dataset.dataset_id, name)


def _features_of(config: Mapping[str, Any], dataset: DatasetLink) -> list[str]:
    named = config["feature_columns"] or [column.name for column in dataset.columns]
    return [name for name in named if name != config["target_column"]]


def _refuse_beyond_quota(stores: Stores) -> None:
    if count_queued(stores) >= stores.config.queue_limit:
        raise QuotaExceeded(
            f"{stores.config.queue_limit} runs of this organization are queued already.", retry_after_s=60
        )


def _new_row(
    stores: Stores,
    model: Model,
    config: dict[str, Any],
    override: dict[str, Any],
    label: str | None,
    priority: Priority,
    timeout_s: int,
    trigger: str,
) -> RunRow:
    assert model.dataset is not None
    dataset = datasets.get_dataset(stores, model.dataset.dataset_id)
    now = stores.now()
    return RunRow(
        id=unused_id(stores.db, RunRow, lambda: new_run_id(now)),
        organization=stores.organization,
        model_id=model.id,
        kind="auto",
        trigger=trigger,
        status=str(RunStatus.QUEUED),
        label=label,
        priority=PRIORITIES.index(priority),
        rank=now.timestamp(),
        timeout_s=timeout_s,
        config=config,
        config_override=override,
        dataset_id=dataset.id,
        dataset_fingerprint=dataset.fingerprint,
        dataset_rows=dataset.rows,
        created_at=now,
        created_by=stores.actor.user_id or "system",
        stage_seconds={},
    )
