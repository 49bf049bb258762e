"""What we know about a version and MLflow has no field for, kept as tags of the registry version.

They start with ``studio.``, which users cannot set; every other tag is the user's own.
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mlflow.utils.validation import (
    MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH,
    path_not_unique,
    validate_param_and_metric_name,
)

from studio.domain.versions import VersionStatus

PREFIX: Final = "studio."
MODEL_ID: Final = "studio.model_id"
RUN_ID: Final = "studio.run_id"
STATUS: Final = "studio.status"

_FIELDS: Final = ("algorithm", "trained_by", "duration_s", "hyperparameters", "config", "metrics", "digest", "onnx")
_FOREIGN: Final = (PREFIX, "mlflow.")


def tags_of(fields: Mapping[str, Any], *, run_id: str | None, status: VersionStatus) -> dict[str, str]:
    """Reserved tags for these fields; long values are spread over several tags.

    Args:
        fields: Any of algorithm, trained_by, duration_s, hyperparameters, config, metrics, digest and onnx,
            JSON-ready; a number that is not finite becomes null.
        run_id: Id of our training run.
        status: Where the version stands.

    Raises:
        ValueError: A field is none of these.
    """
    unknown = set(fields) - set(_FIELDS)
    if unknown:
        raise ValueError(f"a version has no fields {sorted(unknown)}")
    tags = {STATUS: status.value}
    if run_id is not None:
        tags[RUN_ID] = run_id
    for name, value in fields.items():
        tags.update(_spread(PREFIX + name, json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)))
    return tags


def digest_tag(digest: str) -> tuple[str, str]:
    """Key and value of the tag that keeps the digest of a version's folder."""
    return f"{PREFIX}digest", json.dumps(digest)


def fields_of(tags: Mapping[str, str]) -> dict[str, Any]:
    """The fields these tags hold; those of a version an MLflow client registered hold none."""
    found: dict[str, Any] = {}
    for name in _FIELDS:
        text = _gathered(PREFIX + name, tags)
        if text:
            found[name] = json.loads(text)
    return found


def user_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that are neither ours nor MLflow's."""
    return {key: value for key, value in tags.items() if not key.startswith(_FOREIGN)}


def find_refused(keys: Iterable[str]) -> tuple[str, str] | None:
    """The first of these keys that cannot be a user's tag, and why; None where all can."""
    for key in keys:
        if key.startswith(_FOREIGN):
            return key, "is reserved; choose a key without the prefixes 'studio.' and 'mlflow.'"
        if not validate_param_and_metric_name(key) or path_not_unique(key):
            return key, "must be letters, digits, spaces and _ - . : /, as MLflow demands, with no empty part between /"
    return None


def _spread(key: str, text: str) -> dict[str, str]:
    size = MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return {key if number == 0 else f"{key}.{number}": piece for number, piece in enumerate(pieces)}


def _gathered(key: str, tags: Mapping[str, str]) -> str:
    text = tags.get(key, "")
    number = 1
    while (piece := tags.get(f"{key}.{number}")) is not None:
        text += piece
        number += 1
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
