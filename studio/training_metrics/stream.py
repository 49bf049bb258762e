"""The socket that tells a training run live."""

from typing import Any

from flask import current_app
from flask_smorest import Blueprint

from studio.training_metrics import service
from studio.training_metrics.schemas import StreamQuery
from studio.web.context import Context, current_edge
from studio.web.stream import stream

bp = Blueprint("training_metrics_stream", __name__, url_prefix="/api/v1/models")


@stream(
    bp, "training_metrics.stream", "/<model_id>/training-metrics/stream", needs="model:read", query=StreamQuery(),
    aliases=("/<model_id>/training/metrics/stream",),
)  # fmt: skip
def stream_training(ctx: Context, query: dict[str, Any], model_id: str) -> service.RunFeed:
    """Everything a run has told after a message, then what happens."""
    hub = service.shared_hub(current_app.extensions, current_edge().open_stores)
    return service.follow_run(ctx.stores, hub, model_id, run_id=query["run_id"], after=query["after"])
