"""How long each stage of predictions takes: on the answer, and as Prometheus figures by deployment."""

from collections.abc import Mapping
from functools import lru_cache

from flask import Response
from prometheus_client import Histogram

STAGES = ("queue", "parse", "validate", "predict", "serialise")
SECONDS = Histogram(
    "studio_prediction_stage_seconds",
    "Seconds of each stage of a prediction.",
    ["deployment", "stage"],
    buckets=(0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
MOST_KEPT = 5000


def tell_stages(response: Response, deployment_id: str, stage_s: Mapping[str, float]) -> None:
    """Put the stages on an answer as ``Server-Timing``, in milliseconds, and count them."""
    for stage in STAGES:
        _histogram(deployment_id, stage).observe(stage_s[stage])
    response.headers["Server-Timing"] = ", ".join(f"{stage};dur={stage_s[stage] * 1000:.3f}" for stage in STAGES)


@lru_cache(maxsize=MOST_KEPT)
def _histogram(deployment_id: str, stage: str) -> Histogram:
    return SECONDS.labels(deployment_id, stage)
