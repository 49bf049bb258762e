"""Routes of the Open Inference Protocol; those about the service itself are in the room ``health``."""

import time
from typing import Any

from flask import Response
from flask_smorest import Blueprint

from studio.inference_protocol import service
from studio.inference_protocol.schemas import (
    InferBody,
    InferenceOut,
    MetadataOut,
    ModelReadyOut,
    ServerOut,
)
from studio.version import VERSION
from studio.web.context import Context
from studio.web.endpoint import endpoint
from studio.web.stages import answer_in_stages

bp = Blueprint("inference_protocol", __name__, url_prefix="/v2")

MODEL, VERSION_PATH = "/models/<name>", "/models/<name>/versions/<version>"
ASKING: dict[str, Any] = {
    "needs": "model:read",
    "finds_model": service.find_model_id,
    "is_inference": True,
    "error_form": "open_inference",
}
INFERRING: dict[str, Any] = {
    **ASKING,
    "changes_nothing": True,
    "admits_again": True,
    "body": InferBody(),
    "returns": InferenceOut(),
}


@endpoint(
    bp,
    "oip.server",
    "GET",
    "",
    needs="authenticated",
    is_inference=True,
    error_form="open_inference",
    returns=ServerOut(),
)
def get_server(ctx: Context) -> dict[str, Any]:
    """Tell what answers here."""
    return {"name": "model-studio", "version": VERSION, "extensions": []}


@endpoint(bp, "oip.model", "GET", MODEL, **ASKING, returns=MetadataOut())
def get_model(ctx: Context, model_id: str) -> service.Metadata:
    """Tell what a model takes and gives."""
    return service.get_metadata(ctx.stores, model_id)


@endpoint(bp, "oip.model_version", "GET", VERSION_PATH, **ASKING, returns=MetadataOut())
def get_model_version(ctx: Context, model_id: str, version: str) -> service.Metadata:
    """Tell what a version takes and gives."""
    return service.get_metadata(ctx.stores, model_id, service.read_version(version))


@endpoint(bp, "oip.model_ready", "GET", f"{MODEL}/ready", **ASKING, returns=ModelReadyOut())
def get_readiness(ctx: Context, model_id: str) -> service.Readiness:
    """Tell whether a model can be asked."""
    return service.get_readiness(ctx.stores, model_id)


@endpoint(bp, "oip.model_version_ready", "GET", f"{VERSION_PATH}/ready", **ASKING, returns=ModelReadyOut())
def get_version_readiness(ctx: Context, model_id: str, version: str) -> service.Readiness:
    """Tell whether a version can be asked."""
    return service.get_readiness(ctx.stores, model_id, service.read_version(version))


@endpoint(bp, "oip.infer", "POST", f"{MODEL}/infer", **INFERRING)
def infer(ctx: Context, body: dict[str, Any], model_id: str) -> Response:
    """Predict tensors by a model's active deployments."""
    return _infer(ctx, body, model_id, None)


@endpoint(bp, "oip.infer_version", "POST", f"{VERSION_PATH}/infer", **INFERRING)
def infer_on_version(ctx: Context, body: dict[str, Any], model_id: str, version: str) -> Response:
    """Predict tensors by a deployment that serves a version."""
    return _infer(ctx, body, model_id, service.read_version(version))


def _infer(ctx: Context, body: dict[str, Any], model_id: str, version_id: str | None) -> Response:
    answer, found = service.infer(ctx.stores, model_id, body, version_id=version_id)
    return answer_in_stages(answer, found.deployment_id, found.stage_s, time.perf_counter())
