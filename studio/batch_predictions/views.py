"""Routes of batch predictions."""

from typing import Any

from flask_smorest import Blueprint

from studio.batch_predictions import service
from studio.batch_predictions.schemas import BatchBody, BatchJobOut, BatchList, BatchQuery
from studio.domain.batch_jobs import BatchJob, BatchStatus
from studio.domain.pages import Page
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("batch_predictions", __name__, url_prefix="/api/v1/models")

PATH = "/<model_id>/batch-predictions"
NEEDS = "model:read and dataset:read"


@endpoint(
    bp, "batch.create", "POST", PATH, needs=NEEDS, audit="model.batch_prediction_started", status=202,
    body=BatchBody(), returns=BatchJobOut(), has_etag=True,
    location="/api/v1/models/{model_id}/batch-predictions/{batch_id}",
)  # fmt: skip
def start_batch(ctx: Context, body: dict[str, Any], model_id: str) -> BatchJob:
    """Predict every row of a dataset, as a job."""
    return service.start_batch(ctx.stores, model_id, **body)


@endpoint(bp, "batch.list", "GET", PATH, needs=NEEDS, query=BatchQuery(), returns=BatchList())
def list_batches(ctx: Context, query: dict[str, Any], model_id: str) -> Page:
    """List the batch predictions of a model."""
    status = BatchStatus(query["status"]) if query["status"] else None
    return service.list_batches(ctx.stores, model_id, status=status, page=query["page"], page_size=query["page_size"])


@endpoint(bp, "batch.get", "GET", f"{PATH}/<batch_id>", needs=NEEDS, returns=BatchJobOut(), has_etag=True)
def get_batch(ctx: Context, model_id: str, batch_id: str) -> BatchJob:
    """Get one batch prediction, with links to its result once it has completed."""
    return service.get_batch(ctx.stores, model_id, batch_id)
