"""Routes of the registry."""

from typing import Any

from flask_smorest import Blueprint

from studio.domain.pages import Page
from studio.registry.schemas import RunQuery, TrainingRunList
from studio.training import service as training
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("registry", __name__, url_prefix="/api/v1/models")


@endpoint(
    bp, "run.list", "GET", "/<model_id>/registry/training-runs", needs="model:read",
    query=RunQuery(), returns=TrainingRunList(),
)  # fmt: skip
def list_runs(ctx: Context, query: dict[str, Any], model_id: str) -> Page:
    """List every training run of a model."""
    descending = query.pop("sort_order") == "desc"
    return training.list_runs(ctx.stores, model_id, descending=descending, **query)
