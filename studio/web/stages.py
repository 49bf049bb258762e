"""How long each stage of predictions takes: on the answer, and as Prometheus figures by deployment."""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from flask import Response
from prometheus_client import Histogram

from studio.web.operation import JSON
from studio.web.reading import seconds_of_reading

STAGES = ("queue", "parse", "validate", "predict", "serialise")
SECONDS = Histogram(
    "studio_prediction_stage_seconds",
    "Seconds of each stage of a prediction.",
    ["deployment", "stage"],
    buckets=(0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
MOST_KEPT = 5000


def answer_in_stages(
    answer: dict[str, Any], deployment_id: str, stage_s: Mapping[str, float], predicted_at: float
) -> Response:
    """The JSON of predictions, with how long each stage took.

    Args:
        answer: JSON-ready.
        deployment_id: What predicted.
        stage_s: Seconds by stage, but for ``serialise`` and the part of ``parse`` that is the reading of the body.
        predicted_at: When ``serialise`` began, by ``time.perf_counter``.
    """
    response = Response(orjson.dumps(answer), mimetype=JSON)
    whole = {**stage_s, "serialise": time.perf_counter() - predicted_at}
    whole["parse"] += seconds_of_reading()
    _tell(response, deployment_id, whole)
    return response


def _tell(response: Response, deployment_id: str, stage_s: Mapping[str, float]) -> None:
    """Put the stages on an answer as ``Server-Timing``, in milliseconds, and count them."""
    for stage in STAGES:
        _histogram(deployment_id, stage).observe(stage_s[stage])
    response.headers["Server-Timing"] = ", ".join(f"{stage};dur={stage_s[stage] * 1000:.3f}" for stage in STAGES)


@lru_cache(maxsize=MOST_KEPT)
def _histogram(deployment_id: str, stage: str) -> Histogram:
    return SECONDS.labels(deployment_id, stage)
