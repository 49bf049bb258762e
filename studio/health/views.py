"""Routes of the service about itself."""

from collections.abc import Mapping

import orjson
from flask import Response, current_app, request
from flask_smorest import Blueprint
from flask_smorest.globals import current_api
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from studio.domain.actors import system_actor
from studio.health import service
from studio.health.schemas import ApiDocumentOut, LivenessOut, LiveOut, ReadinessOut, ReadyOut
from studio.web.context import current_edge
from studio.web.endpoint import declared_operations, endpoint
from studio.web.openapi import document_of, render_page
from studio.web.telemetry import render_metrics

bp = Blueprint("health", __name__)
PLAIN = ("text/plain; version=0.0.4", "text/plain")  # Prometheus asks for the first, people for the second

NO_ORGANIZATION = system_actor("default")  # nothing of an organization is read here


@endpoint(bp, "service.livez", "GET", "/livez", needs="public", returns=LivenessOut())
def get_liveness() -> dict[str, str]:
    """Tell that this process answers."""
    return {"status": "ok"}


@endpoint(bp, "service.readyz", "GET", "/readyz", needs="public", returns=ReadinessOut(), same_at=(503,))
def get_readiness() -> Response:
    """Tell whether everything behind the service works."""
    is_ready, checks = _ask_all()
    body = {"status": "ok" if is_ready else "failed", "checks": dict(checks)}
    return Response(orjson.dumps(body), 200 if is_ready else 503, mimetype="application/json")


@endpoint(bp, "oip.live", "GET", "/v2/health/live", needs="public", error_form="open_inference", returns=LiveOut())
def get_server_liveness() -> dict[str, bool]:
    """Tell clients of the Open Inference Protocol that this process answers."""
    return {"live": True}


@endpoint(
    bp,
    "oip.ready",
    "GET",
    "/v2/health/ready",
    needs="public",
    error_form="open_inference",
    returns=ReadyOut(),
    same_at=(503,),
)
def get_server_readiness() -> Response:
    """Tell clients of the Open Inference Protocol whether everything behind the service works."""
    is_ready, _ = _ask_all()
    return Response(orjson.dumps({"ready": is_ready}), 200 if is_ready else 503, mimetype="application/json")


@endpoint(bp, "service.metrics", "GET", "/metrics", needs="public", media_types=PLAIN)
def get_metrics() -> Response:
    """Figures for Prometheus."""
    with current_edge().open_stores(NO_ORGANIZATION, write=False) as stores:
        service.check_scraper(stores, request.headers.get("Authorization"))
    return Response(render_metrics(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


@endpoint(bp, "service.openapi", "GET", "/api/v1/openapi.json", needs="public", returns=ApiDocumentOut())
def get_document() -> Response:
    """The OpenAPI document of this service."""
    made: bytes | None = current_app.extensions.get("studio_document")
    if made is None:
        made = orjson.dumps(document_of(current_api, declared_operations()))
        current_app.extensions["studio_document"] = made
    return Response(made, mimetype="application/json")


@endpoint(bp, "service.docs", "GET", "/api/v1/docs", needs="public", media_types=("text/html",))
def get_docs() -> Response:
    """A page to read and try the API."""
    return render_page()


def _ask_all() -> tuple[bool, Mapping[str, str]]:
    """Whether the service is ready, and what each check found."""
    found = _probes().ask()
    return found.is_ready and not current_edge().sockets.is_stopping, found.checks


def _probes() -> service.Probes:
    """The application's, made at the first question: after the fork that made this process."""
    edge = current_edge()
    made = service.Probes(lambda: edge.open_stores(NO_ORGANIZATION, write=False))
    probes: service.Probes = current_app.extensions.setdefault("studio_probes", made)
    return probes
