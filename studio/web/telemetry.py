"""What an operator sees of the edge: one JSON log line per call, and Prometheus figures."""

import logging
import time
from typing import Any

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

from studio.web.context import current_origin

logger = logging.getLogger("studio.access")

CALLS = Counter("studio_http_requests", "Calls answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "studio_http_request_duration_seconds",
    "Seconds from request to answer.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def install_telemetry(app: Flask) -> None:
    """Count, time and log every call of an application."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Cache-Control", "no-cache" if request.method in ("GET", "HEAD") else "no-store")
        seconds = time.perf_counter() - g.get("started", time.perf_counter())
        route = request.url_rule.rule if request.url_rule else "unknown"
        CALLS.labels(request.method, route, str(response.status_code)).inc()
        SECONDS.labels(request.method, route).observe(seconds)
        logger.info("request", extra=_facts(current_origin().request_id, response.status_code, seconds))
        return response


def _facts(request_id: str, status: int, seconds: float) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "method": request.method,
        "path": request.path,
        "status": status,
        "duration_ms": round(seconds * 1000, 2),
        "remote": request.remote_addr,
    }


def render_metrics() -> bytes:
    """Figures of every process of the API, in Prometheus' text format 0.0.4."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
