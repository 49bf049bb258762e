"""Routes of the registry."""

from typing import Any

from flask_smorest import Blueprint

from studio.domain.pages import Page
from studio.registry import service
from studio.registry.schemas import (
    MLFLOW,
    MlflowEntryOut,
    RegistryEntryOut,
    RegistryQuery,
    RunQuery,
    TrainingRunList,
)
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


@endpoint(
    bp, "registry.get", "GET", "/<model_id>/registry", needs="model:read",
    query=RegistryQuery(), returns=RegistryEntryOut(), returns_or=MlflowEntryOut(), has_etag=True,
)  # fmt: skip
def get_listing(ctx: Context, query: dict[str, Any], model_id: str) -> service.RegistryListing | dict[str, Any]:
    """Get what deployment pipelines need of a model, in our form or in MLflow's."""
    get = service.get_mlflow_listing if query["format"] == MLFLOW else service.get_listing
    return get(ctx.stores, model_id, include_all_versions=query["include_all_versions"])
