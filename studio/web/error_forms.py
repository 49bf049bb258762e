"""Errors in the words of other protocols: MLflow's scoring, and the Open Inference Protocol."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

SCORING: Final = re.compile(r"/api/v1/models/[^/]+/invocations")
SCORING_CODES: Final = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
WRONG: Final = "BAD_REQUEST"
MAX_TOLD: Final = 5  # faults in one message


def in_other_words(path: str, status: int, detail: str, fields: Sequence[tuple[str, str]]) -> tuple[int, bytes] | None:
    """Status and body of an error in the words of the protocol that is spoken at a path; None for a problem body.

    Args:
        path: Path of the call.
        status: HTTP status as of a problem; what is wrong with a request is 400 in both protocols.
        detail: What is wrong.
        fields: The single faults.
    """
    is_scoring = SCORING.fullmatch(path) is not None
    if not is_scoring and path != "/v2" and not path.startswith("/v2/"):
        return None
    status = 400 if status in (406, 422) else status
    told = f"{detail.rstrip('.')}: {'; '.join(f'{at} {what}'.strip() for at, what in fields[:MAX_TOLD])}"
    message = told if fields else detail
    body: Mapping[str, Any] = {"error": message}
    if is_scoring:
        body = {"error_code": SCORING_CODES.get(status, WRONG), "message": message}
    return status, orjson.dumps(body)
