"""Every error this package raises on purpose.

The base classes say what kind of failure it is; ``studio/web/errors.py`` gives each kind its HTTP status. A subclass
fixes the stable ``code`` that API clients match on. Rooms define the errors only they raise here too, so that a
reader finds every code in one file.
"""

from collections.abc import Sequence
from typing import Any


class StudioError(Exception):
    """Base of every error this package raises on purpose.

    Attributes:
        code: Stable snake_case identifier that API clients may match on.
        details: JSON-ready facts behind the message; never a stack trace or a secret. They become members of the
            problem body.
        fields: The single faults, each a JSON pointer (or the bare name of a parameter) and a message.
    """

    code = "studio_error"

    def __init__(self, message: str, *, fields: Sequence[tuple[str, str]] = (), **details: Any) -> None:
        super().__init__(message)
        self.fields = list(fields)
        self.details = details


# The kinds, each with one HTTP status.


class Unauthenticated(StudioError):
    """Who calls is not known."""

    code = "token_missing"


class Forbidden(StudioError):
    """The caller is known and may not do this."""

    code = "forbidden"


class NotFound(StudioError):
    """The thing does not exist, or the caller may not know that it does."""

    code = "not_found"


class Conflict(StudioError):
    """The request is fine, the state or a name is in its way."""

    code = "conflict"


class PreconditionFailed(StudioError):
    """``If-Match`` names another state of the thing."""

    code = "precondition_failed"


class TooLarge(StudioError):
    """More bytes than this operation takes."""

    code = "payload_too_large"


class UnsupportedMediaType(StudioError):
    """The body is of a media type this operation does not take."""

    code = "unsupported_media_type"


class NotAcceptable(StudioError):
    """None of the media types the caller accepts can be given."""

    code = "not_acceptable"


class InvalidInput(StudioError):
    """What the caller sent is not valid."""

    code = "validation_failed"


class TooMany(StudioError):
    """More calls or more queued work than is allowed; ``retry_after_s`` says when to come back."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: int = 1, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after_s = retry_after_s


class BackendDown(StudioError):
    """A part this service needs does not answer; ``retry_after_s`` says when to come back."""

    code = "service_unavailable"

    def __init__(self, message: str, *, retry_after_s: int = 5, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after_s = retry_after_s


class InternalFault(StudioError):
    """A fault of the service or of a model it runs, told in words a caller may read."""

    code = "internal_error"


# Tokens.


class TokenMissing(Unauthenticated):
    code = "token_missing"


class TokenInvalid(Unauthenticated):
    code = "token_invalid"


class TokenExpired(Unauthenticated):
    code = "token_expired"


class TokenRevoked(Unauthenticated):
    code = "token_revoked"


# Shape of a request.


class MalformedBody(InvalidInput):
    code = "malformed_body"


class InvalidRange(InvalidInput):
    code = "invalid_range"


class InvalidIdempotencyKey(InvalidInput):
    code = "invalid_idempotency_key"


class IdempotencyKeyReused(InvalidInput):
    code = "idempotency_key_reused"


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"

    retry_after_s = 1


# Models and their configuration.


class ModelNotFound(NotFound):
    code = "model_not_found"

    def __init__(self, model_id: str) -> None:
        super().__init__(f"There is no model {model_id!r}.")


class NameTaken(Conflict):
    code = "name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"The name {name!r} is taken in this organization; choose another.", name=name)


class ModelTraining(Conflict):
    code = "model_training"


class ModelArchived(Conflict):
    code = "model_archived"


class ImmutableField(InvalidInput):
    code = "immutable_field"


class TargetInFeatures(InvalidInput):
    code = "target_in_features"


class UnknownColumn(InvalidInput):
    code = "unknown_column"


class UnknownAlgorithm(InvalidInput):
    code = "unknown_algorithm"


class BadHyperparameter(InvalidInput):
    code = "bad_hyperparameter"


# Datasets.


class DatasetNotFound(NotFound):
    code = "dataset_not_found"

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"There is no dataset {dataset_id!r}.")


class DatasetNotLinked(NotFound):
    code = "dataset_not_linked"


class DatasetLinked(Conflict):
    code = "dataset_linked"


class DatasetInUse(Conflict):
    code = "dataset_in_use"


class SchemaMismatch(InvalidInput):
    code = "schema_mismatch"


class DatasetUnreadable(InvalidInput):
    """The file is not the CSV or Parquet it claims to be; ``details`` carry ``line`` and ``column`` where known."""

    code = "dataset_unreadable"


class DatasetEmpty(InvalidInput):
    code = "dataset_empty"


class DuplicateColumns(InvalidInput):
    code = "duplicate_columns"


class SourceNotAllowed(InvalidInput):
    code = "source_not_allowed"


class SourceUnreachable(InvalidInput):
    code = "source_unreachable"


# Training.


class RunNotFound(NotFound):
    code = "run_not_found"


class RunInProgress(Conflict):
    code = "run_in_progress"


class RunStateConflict(Conflict):
    code = "run_state_conflict"


class NoDataset(InvalidInput):
    code = "no_dataset"


class ConfigIncomplete(InvalidInput):
    code = "config_incomplete"


class QuotaExceeded(TooMany):
    code = "quota_exceeded"


class TooManySockets(TooMany):
    code = "too_many_sockets"


class UnknownMetric(InvalidInput):
    code = "unknown_metric"


class UntrainableTarget(InvalidInput):
    """The target column holds nothing that can be learned."""

    code = "target_unusable"


class TooFewRows(InvalidInput):
    """Fewer rows, or groups of them, than training, validation and test need."""

    code = "too_few_rows"


class NoSuccessfulTrial(InternalFault):
    """Every candidate of a search failed; the message carries the last error."""

    code = "no_successful_trial"


# Versions.


class VersionNotFound(NotFound):
    code = "version_not_found"

    def __init__(self, version_id: str) -> None:
        super().__init__(f"This model has no version {version_id!r}.")


class VersionNotReady(InvalidInput):
    code = "version_not_ready"

    def __init__(self, version_id: str, status: str) -> None:
        super().__init__(
            f"Version {version_id} is {status}; only a ready one qualifies.",
            version_id=version_id,
            status=status,
        )


class GateFailed(Conflict):
    code = "gate_failed"


class NoVersion(Conflict):
    code = "no_version"


class NoEvaluation(Conflict):
    code = "no_evaluation"


class NotApplicable(InvalidInput):
    code = "not_applicable"


class UnknownClass(InvalidInput):
    code = "unknown_class"


# Predictions.


class ModelNotReady(Conflict):
    code = "model_not_ready"


class NoPromotedVersion(InvalidInput):
    code = "no_promoted_version"


class InvalidInputs(InvalidInput):
    code = "invalid_inputs"


class PredictionFailed(InternalFault):
    code = "prediction_failed"


class Overloaded(BackendDown):
    code = "overloaded"


# Files.


class BadKey(InvalidInput):
    """A file key that would leave its store."""

    code = "bad_key"


class FileMissing(NotFound):
    """A file the store does not hold."""

    code = "file_missing"
