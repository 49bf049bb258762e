"""Routes of predictions."""

from typing import Any

from flask_smorest import Blueprint

from studio.predictions import service
from studio.predictions.schemas import ExplainBody, ExplanationOut, TestBody, TestPredictionOut
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


@endpoint(
    bp, "predict.explain", "POST", "/<model_id>/explain", needs="model:read", changes_nothing=True,
    is_inference=True, body=ExplainBody(), returns=ExplanationOut(),
)  # fmt: skip
def explain_rows(ctx: Context, body: dict[str, Any], model_id: str) -> service.Explanation:
    """Say what each column adds to the predictions for some rows, as SHAP values."""
    return service.explain_rows(ctx.stores, model_id, **body)
