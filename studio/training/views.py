"""Routes of training runs."""

from typing import Any

from flask_smorest import Blueprint

from studio.domain.run_records import TrainingRun
from studio.domain.runs import Priority
from studio.domain.training_schedules import TrainingSchedule
from studio.training import service
from studio.training.schemas import ScheduleBody, TrainBody, TrainingRunOut, TrainingScheduleOut
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("training", __name__, url_prefix="/api/v1/models")

RUN_PATH = "/<model_id>/training-runs/<run_id>"
SCHEDULE_PATH = "/<model_id>/training-schedule"
RUN_LOCATION = "/api/v1/models/{model_id}/training-runs/{run_id}"


@endpoint(
    bp, "training.start", "POST", "/<model_id>/train", needs="model:write", audit="model.training_started",
    status=202, body=TrainBody(), returns=TrainingRunOut(), location=RUN_LOCATION, has_etag=True,
)  # fmt: skip
def start_run(ctx: Context, body: dict[str, Any], model_id: str) -> TrainingRun:
    """Start a training run."""
    priority = Priority(body.pop("priority"))
    return service.start_run(ctx.stores, model_id, priority=priority, **body)


@endpoint(bp, "run.get", "GET", RUN_PATH, needs="model:read", returns=TrainingRunOut(), has_etag=True)
def get_run(ctx: Context, model_id: str, run_id: str) -> TrainingRun:
    """Get one training run."""
    return service.get_run(ctx.stores, model_id, run_id)


@endpoint(
    bp, "run.cancel", "POST", f"{RUN_PATH}/cancel", needs="model:write", audit="model.training_cancelled",
    status=202, returns=TrainingRunOut(), location=RUN_LOCATION, has_etag=True,
)  # fmt: skip
def cancel_run(ctx: Context, model_id: str, run_id: str) -> TrainingRun:
    """Cancel a queued, running or paused run."""
    return service.cancel_run(ctx.stores, model_id, run_id)


@endpoint(
    bp, "run.pause", "POST", f"{RUN_PATH}/pause", needs="model:write", audit="model.training_paused",
    status=202, returns=TrainingRunOut(), location=RUN_LOCATION, has_etag=True,
)  # fmt: skip
def pause_run(ctx: Context, model_id: str, run_id: str) -> TrainingRun:
    """Pause a running search after the trials in progress."""
    return service.pause_run(ctx.stores, model_id, run_id)


@endpoint(
    bp, "run.resume", "POST", f"{RUN_PATH}/resume", needs="model:write", audit="model.training_resumed",
    status=202, returns=TrainingRunOut(), location=RUN_LOCATION, has_etag=True,
)  # fmt: skip
def resume_run(ctx: Context, model_id: str, run_id: str) -> TrainingRun:
    """Let a paused run go on with its next trial."""
    return service.resume_run(ctx.stores, model_id, run_id)


@endpoint(
    bp, "run.retry", "POST", f"{RUN_PATH}/retry", needs="model:write", audit="model.training_started",
    status=202, returns=TrainingRunOut(), location=RUN_LOCATION, has_etag=True,
)  # fmt: skip
def retry_run(ctx: Context, model_id: str, run_id: str) -> TrainingRun:
    """Start a run like one that failed or was cancelled."""
    return service.retry_run(ctx.stores, model_id, run_id)


@endpoint(
    bp, "schedule.get", "GET", SCHEDULE_PATH, needs="model:read", returns=TrainingScheduleOut(), has_etag=True,
)  # fmt: skip
def get_schedule(ctx: Context, model_id: str) -> TrainingSchedule:
    """Get when a model trains by itself."""
    return service.get_schedule(ctx.stores, model_id)


@endpoint(
    bp, "schedule.set", "PUT", SCHEDULE_PATH, needs="model:write", audit="model.schedule_updated",
    body=ScheduleBody(), returns=TrainingScheduleOut(), has_etag=True, current=get_schedule,
)  # fmt: skip
def set_schedule(ctx: Context, body: dict[str, Any], model_id: str) -> TrainingSchedule:
    """Say when a model trains by itself, in place of what was said before."""
    return service.set_schedule(ctx.stores, model_id, body)


@endpoint(
    bp, "schedule.delete", "DELETE", SCHEDULE_PATH, needs="model:write", audit="model.schedule_deleted",
    status=204, current=get_schedule,
)  # fmt: skip
def delete_schedule(ctx: Context, model_id: str) -> None:
    """Let a model no longer train by itself."""
    service.delete_schedule(ctx.stores, model_id)
