"""A model version, as the registry knows it."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class VersionStatus(enum.StrEnum):
    IN_PROGRESS = "in_progress"
    READY = "ready"
    FAILED = "failed"


def version_id_of(number: int) -> str:
    """``ver-007`` for registry version 7."""
    return f"ver-{number:03d}"


def version_number_of(version_id: str) -> int | None:
    """Registry number of a version id, None where the text is not exactly one (``ver-7``, ``ver-0007``)."""
    digits = version_id.removeprefix("ver-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 12:
        return None
    number = int(digits)
    return number if number > 0 and version_id_of(number) == version_id else None


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model.

    Attributes:
        number: Version number in the registry, from 1.
        run_id: Id of the training run that made it (``run-...``); None for one registered by an MLflow client.
        mlflow_run_id: Id of the MLflow run its artifacts belong to, None where there is none.
        source: URI of the MLflow model folder.
        metrics: Metrics of the test split by name.
        duration_s: Seconds its training took, None where unknown.
    """

    number: int
    status: VersionStatus
    is_promoted: bool
    source: str
    created_at: datetime
    updated_at: datetime
    run_id: str | None = None
    mlflow_run_id: str | None = None
    algorithm: str = "external"
    trained_by: str = "mlflow"
    duration_s: float | None = None
    description: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """``ver-`` and the number, zero-padded to three digits."""
        return version_id_of(self.number)
