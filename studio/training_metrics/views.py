"""Routes of curves, logs, details and stream tickets."""

from typing import Any

from flask import request
from flask_smorest import Blueprint

from studio.domain.run_records import TrainingRun
from studio.domain.runs import LogLevel
from studio.training_metrics import service
from studio.training_metrics.schemas import (
    CurvesQuery,
    DownloadQuery,
    FeatureImportanceOut,
    HyperparametersOut,
    ImportanceQuery,
    LogLineOut,
    LogQuery,
    RunQuery,
    SubjectQuery,
    TicketBody,
    TicketOut,
    TrainingDetailsOut,
    TrainingLogsOut,
    TrainingMetricsOut,
)
from studio.web.context import Context
from studio.web.endpoint import Download, endpoint
from studio.web.operation import JSON

bp = Blueprint("training_metrics", __name__, url_prefix="/api/v1/models")

PATH = "/<model_id>/training-metrics"
ALIAS = "/<model_id>/training/metrics"
LOG_TYPES = ("text/plain", JSON)


@endpoint(
    bp, "training_metrics.get", "GET", PATH, needs="model:read", query=CurvesQuery(),
    returns=TrainingMetricsOut(), aliases=(ALIAS,),
)  # fmt: skip
def get_curves(ctx: Context, query: dict[str, Any], model_id: str) -> service.Curves:
    """Get the curves of a run, up to its newest epoch."""
    return service.read_curves(ctx.stores, model_id, **query)


@endpoint(
    bp, "training_metrics.logs", "GET", f"{PATH}/logs", needs="model:read", query=LogQuery(),
    returns=TrainingLogsOut(), aliases=(f"{ALIAS}/logs",),
)  # fmt: skip
def get_log(ctx: Context, query: dict[str, Any], model_id: str) -> service.Log:
    """Get the log of a run."""
    level = LogLevel(query.pop("level"))
    return service.read_log(ctx.stores, model_id, level=level, **query)


@endpoint(
    bp, "training_metrics.details", "GET", f"{PATH}/details", needs="model:read", query=RunQuery(),
    returns=TrainingDetailsOut(), aliases=(f"{ALIAS}/details",),
)  # fmt: skip
def get_details(ctx: Context, query: dict[str, Any], model_id: str) -> TrainingRun:
    """Get where the time of a run went, and what came of it."""
    return service.read_details(ctx.stores, model_id, **query)


@endpoint(
    bp, "training_metrics.hyperparameters", "GET", f"{PATH}/hyperparameters", needs="model:read",
    query=SubjectQuery(), returns=HyperparametersOut(), aliases=(f"{ALIAS}/hyperparameters",),
)  # fmt: skip
def get_hyperparameters(ctx: Context, query: dict[str, Any], model_id: str) -> service.Hyperparameters:
    """Get what a run settled on, and every candidate."""
    return service.read_hyperparameters(ctx.stores, model_id, **query)


@endpoint(
    bp, "training_metrics.logs_download", "GET", f"{PATH}/logs/download",
    needs="model:read or organization:viewer", query=DownloadQuery(), returns=LogLineOut(), is_list=True,
    media_types=LOG_TYPES, aliases=(f"{ALIAS}/logs/download",),
)  # fmt: skip
def download_log(ctx: Context, query: dict[str, Any], model_id: str) -> Download:
    """Download the whole log of a run."""
    wanted = query["format"] or ("json" if request.accept_mimetypes.best_match(LOG_TYPES) == JSON else "txt")
    file = service.download_log(ctx.stores, model_id, run_id=query["run_id"], as_json=wanted == "json")
    return Download(file.media_type, file.chunks, file.filename)


@endpoint(
    bp, "training_metrics.feature_importance", "GET", f"{PATH}/feature-importance", needs="model:read",
    query=ImportanceQuery(), returns=FeatureImportanceOut(), aliases=(f"{ALIAS}/feature-importance",),
)  # fmt: skip
def get_importance(ctx: Context, query: dict[str, Any], model_id: str) -> service.FeatureImportance:
    """Get how much each input column counts."""
    return service.read_importance(ctx.stores, model_id, **query)


@endpoint(
    bp, "stream_ticket.create", "POST", "/stream-tickets", needs="authenticated", unaudited=True, status=201,
    body=TicketBody(), returns=TicketOut(), location="{url}",
)  # fmt: skip
def create_ticket(ctx: Context, body: dict[str, Any]) -> service.StreamTicket:
    """Create a ticket for one handshake, for clients that cannot set headers."""
    return service.create_ticket(ctx.stores, model_id=body.get("model_id"), run_id=body.get("run_id"))
