"""The socket that tells a training run live."""

from typing import Any

from flask import current_app
from flask_smorest import Blueprint

from studio.training_metrics import service
from studio.training_metrics.schemas import StreamQuery
from studio.web.context import Context, current_edge
from studio.web.stream import stream

bp = Blueprint("training_metrics_stream", __name__, url_prefix="/api/v1/models")

HUB = "studio_run_hub"


@stream(
    bp, "training_metrics.stream", "/<model_id>/training-metrics/stream", needs="model:read", query=StreamQuery(),
    aliases=("/<model_id>/training/metrics/stream",),
)  # fmt: skip
def stream_training(ctx: Context, query: dict[str, Any], model_id: str) -> service.RunFeed:
    """Everything a run has told after a message, then what happens."""
    run_id, after = query["run_id"], query["after"]
    return service.follow_run(ctx.stores, current_hub(), model_id, run_id=run_id, after=after)


def current_hub() -> service.RunHub:
    """What follows runs for all sockets of the application in this process."""
    hub: service.RunHub | None = current_app.extensions.get(HUB)
    return hub or current_app.extensions.setdefault(HUB, service.RunHub(current_edge().open_stores))
