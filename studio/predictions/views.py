"""Routes of predictions."""

import time
from typing import Any

from flask import Response
from flask_smorest import Blueprint

from studio.predictions import service
from studio.predictions.schemas import (
    ExplainBody,
    ExplanationOut,
    PredictBody,
    PredictionsOut,
    ScoresOut,
    TestBody,
    TestPredictionOut,
)
from studio.web.context import Context
from studio.web.endpoint import endpoint
from studio.web.reading import FileBody, seconds_of_reading
from studio.web.stages import answer_in_stages

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


@endpoint(
    bp, "predict.model", "POST", "/<model_id>/predict", needs="model:read", changes_nothing=True,
    is_inference=True, admits_again=True,
    body=PredictBody(), files=(service.CSV, service.PARQUET), returns=PredictionsOut(),
)  # fmt: skip
def predict_rows(ctx: Context, body: Any, model_id: str) -> Response:
    """Predict rows by the model's active deployments, each by its share of the traffic."""
    return _predict(ctx, body, model_id)


@endpoint(
    bp, "predict.deployment", "POST", "/<model_id>/deployments/<deployment_id>/predict", needs="model:read",
    changes_nothing=True, is_inference=True, admits_again=True,
    body=PredictBody(), files=(service.CSV, service.PARQUET), returns=PredictionsOut(),
)  # fmt: skip
def predict_on_deployment(ctx: Context, body: Any, model_id: str, deployment_id: str) -> Response:
    """Predict rows by one deployment, whatever its share of the traffic."""
    return _predict(ctx, body, model_id, deployment_id)


@endpoint(
    bp, "predict.invocations", "POST", "/<model_id>/invocations", needs="model:read", changes_nothing=True,
    is_inference=True, admits_again=True, error_form="mlflow_scoring",
    body=PredictBody(), files=(service.CSV, service.PARQUET), returns=ScoresOut(),
)  # fmt: skip
def score_rows(ctx: Context, body: Any, model_id: str) -> Response:
    """Predict rows in the words of MLflow's scoring server."""
    found = service.predict_rows(ctx.stores, model_id, lambda schema: _read(body, schema))
    predicted = time.perf_counter()
    return answer_in_stages({"predictions": found.predictions}, found.deployment_id, found.stage_s, predicted)


def _predict(ctx: Context, body: Any, model_id: str, deployment_id: str | None = None) -> Response:
    begun = time.perf_counter()
    found = service.predict_rows(ctx.stores, model_id, lambda schema: _read(body, schema), deployment_id=deployment_id)
    predicted = time.perf_counter()
    answer = {
        "model_id": found.model_id,
        "version_id": found.version_id,
        "deployment_id": found.deployment_id,
        "predictions": found.predictions,
        "probabilities": found.probabilities,
        "prediction_ids": found.prediction_ids,
        "latency_ms": round((predicted - begun + seconds_of_reading()) * 1000, 3),
    }
    if found.probabilities is None:
        del answer["probabilities"]
    return answer_in_stages(answer, found.deployment_id, found.stage_s, predicted)


def _read(body: Any, schema: service.InputSchema) -> service.Given:
    """The rows of a body, in whatever form it has."""
    if not isinstance(body, FileBody):
        return service.read_document(body, schema.names)
    if body.media_type == service.CSV:
        return service.read_csv(body.content, schema.columns)
    return service.read_parquet(body.content)
