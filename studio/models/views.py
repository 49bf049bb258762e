"""Routes of models and of their dataset link."""

from dataclasses import asdict
from typing import Any

from flask_smorest import Blueprint

from studio.domain.model_records import Model
from studio.domain.pages import Page
from studio.domain.tasks import ModelType, TaskType
from studio.models import service
from studio.models.schemas import (
    DatasetLinkOut,
    DeleteQuery,
    DuplicateBody,
    LinkBody,
    ModelBody,
    ModelChanges,
    ModelList,
    ModelOut,
    ModelQuery,
)
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("models", __name__, url_prefix="/api/v1/models")


@endpoint(
    bp, "model.create", "POST", "", needs="model:write", audit="model.created", status=201,
    body=ModelBody(), returns=ModelOut(), has_etag=True, location="/api/v1/models/{id}",
)  # fmt: skip
def create_model(ctx: Context, body: dict[str, Any]) -> Model:
    """Create a model."""
    model_type, task_type = ModelType(body.pop("model_type")), TaskType(body.pop("task_type"))
    return service.create_model(ctx.stores, model_type=model_type, task_type=task_type, **body)


@endpoint(bp, "model.list", "GET", "", needs="model:read or any role", query=ModelQuery(), returns=ModelList())
def list_models(ctx: Context, query: dict[str, Any]) -> Page:
    """List the models the caller may see."""
    wanted = service.ModelFilter(
        status=query["status"],
        model_type=query["model_type"],
        task_type=query["task_type"],
        search=query["search"],
        tags=[tag.strip() for tag in query["tags"].split(",") if tag.strip()],
        sort_by=query["sort_by"],
        descending=query["sort_order"] == "desc",
    )
    return service.list_models(ctx.stores, wanted, page=query["page"], page_size=query["page_size"])


@endpoint(bp, "model.get", "GET", "/<model_id>", needs="model:read", returns=ModelOut(), has_etag=True)
def get_model(ctx: Context, model_id: str) -> Model:
    """Get one model."""
    return service.get_model(ctx.stores, model_id)


@endpoint(
    bp, "model.update", "PATCH", "/<model_id>", needs="model:write", audit="model.updated",
    body=ModelChanges(), returns=ModelOut(), has_etag=True, current=get_model,
)  # fmt: skip
def update_model(ctx: Context, body: dict[str, Any], model_id: str) -> Model:
    """Change a model; what is not named stays."""
    return service.update_model(ctx.stores, model_id, body)


@endpoint(
    bp, "model.delete", "DELETE", "/<model_id>", needs="owner", audit="model.deleted", status=204,
    query=DeleteQuery(), current=get_model,
)  # fmt: skip
def delete_model(ctx: Context, query: dict[str, Any], model_id: str) -> None:
    """Delete a model with everything that hangs on it."""
    service.delete_model(ctx.stores, model_id, force=query["force"])


@endpoint(
    bp, "model.archive", "POST", "/<model_id>/archive", needs="model:write", audit="model.archived",
    returns=ModelOut(), has_etag=True,
)  # fmt: skip
def archive_model(ctx: Context, model_id: str) -> Model:
    """Archive a model."""
    return service.archive_model(ctx.stores, model_id)


@endpoint(
    bp, "model.unarchive", "POST", "/<model_id>/unarchive", needs="organization:admin or model:write",
    audit="model.unarchived", returns=ModelOut(), has_etag=True,
)  # fmt: skip
def unarchive_model(ctx: Context, model_id: str) -> Model:
    """Take an archived model back."""
    return service.unarchive_model(ctx.stores, model_id)


@endpoint(
    bp, "model.duplicate", "POST", "/<model_id>/duplicate", needs="model:read and model:write",
    audit="model.duplicated", status=201, body=DuplicateBody(), returns=ModelOut(), has_etag=True,
    location="/api/v1/models/{id}", makes_model=True,
)  # fmt: skip
def duplicate_model(ctx: Context, body: dict[str, Any], model_id: str) -> Model:
    """Copy a model into a draft of the caller's own."""
    return service.duplicate_model(ctx.stores, model_id, **body)


@endpoint(
    bp, "dataset.link", "POST", "/<model_id>/dataset", needs="model:write", audit="model.dataset_linked",
    body=LinkBody(), returns=DatasetLinkOut(),
)  # fmt: skip
def link_dataset(ctx: Context, body: dict[str, Any], model_id: str) -> dict[str, Any]:
    """Link the dataset a model learns from."""
    link = service.link_dataset(ctx.stores, model_id, **body)
    return {**asdict(link), "schema_validated": body["validate_schema"]}


@endpoint(
    bp, "dataset.unlink", "DELETE", "/<model_id>/dataset", needs="model:write", audit="model.dataset_unlinked",
    status=204, current=get_model,
)  # fmt: skip
def unlink_dataset(ctx: Context, model_id: str) -> None:
    """Remove the link to the dataset."""
    service.unlink_dataset(ctx.stores, model_id)
