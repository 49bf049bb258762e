"""Routes of the dataset catalogue; a model's link to one is a route of models."""

import unicodedata
from typing import Any

from flask_smorest import Blueprint
from werkzeug.datastructures import FileStorage

from studio.backends.sources.sources import SourceRequest
from studio.datasets import service
from studio.datasets.schemas import (
    MAX_NAME,
    DatasetList,
    DatasetOut,
    DatasetQuery,
    ImportBody,
    PreviewOut,
    PreviewQuery,
    ProfileOut,
    ProfileQuery,
    UploadForm,
)
from studio.domain.datasets import Dataset, SourceType
from studio.domain.pages import Page
from studio.errors import InvalidInput
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("datasets", __name__, url_prefix="/api/v1/models/datasets")


@endpoint(
    bp, "dataset.create", "POST", "", needs="dataset:write", audit="dataset.created", status=201,
    body=ImportBody(), form=UploadForm(), returns=DatasetOut(), has_etag=True,
    location="/api/v1/models/datasets/{id}",
)  # fmt: skip
def create_dataset(ctx: Context, body: dict[str, Any]) -> Dataset:
    """Create a dataset from an uploaded file, or from a source the configuration allows."""
    file: FileStorage | None = body.pop("file", None)
    if file is not None:
        body.setdefault("name", _name_of(file))
        return service.upload_dataset(ctx.stores, file.stream, **body)
    source = body.pop("source")
    wanted = SourceRequest(**{**source, "type": SourceType(source["type"])})
    return service.import_dataset(ctx.stores, wanted, **body)


@endpoint(bp, "dataset.list", "GET", "", needs="dataset:read", query=DatasetQuery(), returns=DatasetList())
def list_datasets(ctx: Context, query: dict[str, Any]) -> Page:
    """List the organization's datasets."""
    wanted = service.DatasetFilter(query["search"], query["sort_by"], query["sort_order"] == "desc")
    return service.list_datasets(ctx.stores, wanted, page=query["page"], page_size=query["page_size"])


@endpoint(bp, "dataset.get", "GET", "/<dataset_id>", needs="dataset:read", returns=DatasetOut(), has_etag=True)
def get_dataset(ctx: Context, dataset_id: str) -> Dataset:
    """Get one dataset."""
    return service.get_dataset(ctx.stores, dataset_id)


@endpoint(
    bp, "dataset.preview", "GET", "/<dataset_id>/preview", needs="dataset:read", query=PreviewQuery(),
    returns=PreviewOut(),
)  # fmt: skip
def preview_dataset(ctx: Context, query: dict[str, Any], dataset_id: str) -> service.Preview:
    """Show the first rows of a dataset."""
    return service.preview_dataset(ctx.stores, dataset_id, limit=query["limit"])


@endpoint(
    bp, "dataset.profile", "GET", "/<dataset_id>/profile", needs="dataset:read", query=ProfileQuery(),
    returns=ProfileOut(),
)  # fmt: skip
def profile_dataset(ctx: Context, query: dict[str, Any], dataset_id: str) -> dict[str, Any]:
    """Tell what is in each column of a dataset, and what to beware of."""
    profile = service.profile_dataset(ctx.stores, dataset_id, target_column=query["target_column"])
    return {"dataset_id": dataset_id, **profile}


@endpoint(
    bp, "dataset.delete", "DELETE", "/<dataset_id>", needs="dataset:write", audit="dataset.deleted", status=204,
    current=get_dataset,
)  # fmt: skip
def delete_dataset(ctx: Context, dataset_id: str) -> None:
    """Delete a dataset that no model links and no run reads."""
    service.delete_dataset(ctx.stores, dataset_id)


def _name_of(file: FileStorage) -> str:
    """The file's own name, without folders and characters a name must not hold."""
    last = (file.filename or "").rpartition("/")[2]
    name = "".join(char for char in last if unicodedata.category(char) not in ("Cc", "Cs")).strip()
    if not name:
        raise InvalidInput("1 field was refused", fields=[("/name", "is required, as the file has none")])
    return name[:MAX_NAME].strip()
