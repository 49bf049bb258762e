"""A model version, as the registry knows it, and what happens to it: gates and promotions."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MLFLOW_CLIENT = "mlflow"  # who trained or promoted, where an MLflow client did
SERVING_SAMPLE = "serving/sample.parquet"  # among a run's artifacts: rows its model was trained on


class VersionStatus(enum.StrEnum):
    IN_PROGRESS = "in_progress"
    READY = "ready"
    FAILED = "failed"


class FileFormat(enum.StrEnum):
    """What a version can be downloaded as."""

    PKL = "pkl"
    JOBLIB = "joblib"
    ONNX = "onnx"
    SKOPS = "skops"
    MLFLOW = "mlflow"
    DOCKER_CONTEXT = "docker-context"


class PromotionSource(enum.StrEnum):
    """Through which door a promotion came."""

    API = "api"
    ROLLBACK = "rollback"
    MLFLOW = "mlflow"


@dataclass(frozen=True)
class OnnxCheck:
    """What became of the ONNX file that a run was asked for.

    Attributes:
        passed: Whether there is one: its outputs for the validation rows were those of the model.
        reason: Why there is none; None where there is.
        max_difference: Largest absolute difference of a probability or of a predicted number; None where nothing was
            compared, or beyond all numbers.
        tolerance: What it may have been at most; None where nothing was compared.
        rows: Rows that were compared; None likewise.
    """

    passed: bool
    reason: str | None
    max_difference: float | None
    tolerance: float | None
    rows: int | None


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
        run_id: Id of the training run that made it (``run-...``); None for one an MLflow client registered.
        mlflow_run_id: Id of the MLflow run its artifacts belong to, None where there is none.
        source: URI of the MLflow model folder.
        metrics: Metrics of the test split by name.
        duration_s: Seconds its training took, None where unknown.
        digest: Hash of its model folder as it was written, for a client's as it was first seen; None where there is no
            folder yet.
        onnx: What became of its ONNX file; None where its run was not asked for one.
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
    trained_by: str = MLFLOW_CLIENT
    duration_s: float | None = None
    description: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    digest: str | None = None
    onnx: OnnxCheck | None = None

    @property
    def id(self) -> str:
        """``ver-`` and the number, zero-padded to three digits."""
        return version_id_of(self.number)

    @property
    def is_external(self) -> bool:
        """True for one that an MLflow client registered."""
        return self.trained_by == MLFLOW_CLIENT


@dataclass(frozen=True)
class Promotion:
    """One change of what is in production.

    Attributes:
        number: From 1 within the model, in the order of time.
        version: Number of the version that took the place; None where an MLflow client emptied it.
    """

    number: int
    version: int | None
    promoted_at: datetime
    by: str | None
    reason: str | None
    source: PromotionSource


@dataclass(frozen=True)
class Tenure:
    """The time a version was in production.

    Attributes:
        version: Its number.
        demoted_at: When another took the place, or it was emptied; None for the one that holds it.
    """

    version: int
    promoted_at: datetime
    demoted_at: datetime | None
    by: str | None
    reason: str | None
    source: PromotionSource

    @property
    def version_id(self) -> str:
        """``ver-`` and the number, zero-padded to three digits."""
        return version_id_of(self.version)


@dataclass(frozen=True)
class VersionComparison:
    """Two versions of a model beside each other.

    Attributes:
        metric_deltas: Value of ``b`` minus value of ``a``, for the metrics both have; None beyond all numbers.
        better: ``a``, ``b`` or ``tie`` for the same metrics, in the direction of each.
        config_diff: The values on both sides, ``version_a`` and ``version_b``, for every setting that differs; None
            on the side that lacks it.
    """

    model_id: str
    a: ModelVersion
    b: ModelVersion
    metric_deltas: Mapping[str, float | None]
    better: Mapping[str, str]
    config_diff: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class VersionFiles:
    """Addresses of a version's files in the file store, None for those there are not.

    Attributes:
        onnx_check: What became of the ONNX file; None where the version's run was not asked for one.
    """

    model_file: str | None
    onnx_file: str | None
    onnx_check: OnnxCheck | None


@dataclass(frozen=True)
class VersionRecord:
    """One version with what the registry does not know of it.

    Attributes:
        promotion: Its latest promotion, None if it never had one.
    """

    model_id: str
    version: ModelVersion
    artifacts: VersionFiles
    promotion: Promotion | None

    @property
    def promoted_at(self) -> datetime | None:
        """Time of the latest promotion."""
        return self.promotion.promoted_at if self.promotion else None

    @property
    def promoted_by(self) -> str | None:
        """Who made the latest promotion."""
        return self.promotion.by if self.promotion else None


@dataclass(frozen=True)
class Gate:
    """What a version must reach before it is promoted.

    Attributes:
        metric: Name of a test metric.
        min_value: The worst acceptable value: a floor, or a ceiling where less is better; None for none.
        min_improvement_over_promoted: Least gain over the promoted version in the metric's direction; None
            for none.
    """

    metric: str
    min_value: float | None = None
    min_improvement_over_promoted: float | None = None


@dataclass(frozen=True)
class GateCheck:
    """One condition of a gate, looked at.

    Attributes:
        check: Name of the condition, as in Gate.
        actual: The value or gain there is; None where nothing is promoted, or what is lacks the metric.
    """

    check: str
    metric: str
    required: float
    actual: float | None
    passed: bool
