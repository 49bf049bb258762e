"""Routes of predictions."""

from typing import Any

from flask_smorest import Blueprint

from studio.predictions import service
from studio.predictions.schemas import TestBody, TestPredictionOut
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("predictions", __name__, url_prefix="/api/v1/models")


@endpoint(
    bp, "model.test", "POST", "/<model_id>/test", needs="model:read", changes_nothing=True,
    body=TestBody(), returns=TestPredictionOut(),
)  # fmt: skip
def test_model(ctx: Context, body: dict[str, Any], model_id: str) -> service.Prediction:
    """Try a version on one row."""
    return service.try_model(ctx.stores, model_id, inputs=body["inputs"], version_id=body.get("version_id"))
